"""Tests of ``baremetal_sdk.bmc``."""
