"""The tests of all distributions."""
