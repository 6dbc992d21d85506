"""Whole-system tests: metald as a process, simulated BMCs on loopback, and failures of both."""
