"""Tests of the contract, the local task and the conformance kit."""
