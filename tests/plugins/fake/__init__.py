"""Tests of ``baremetal_fake``."""
