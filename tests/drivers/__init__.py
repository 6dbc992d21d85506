"""Tests of ``baremetal_sdk.drivers``."""
