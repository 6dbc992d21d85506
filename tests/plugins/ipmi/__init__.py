"""Tests of ``baremetal_ipmi``."""
