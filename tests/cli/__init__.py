"""Tests of ``baremetal_sdk.cli``."""
