"""Tests of ``metald``."""
