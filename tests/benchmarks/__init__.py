"""Tests of the proof harnesses: small runs, and a planted fault that each harness has to find."""
