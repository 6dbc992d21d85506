"""Tests of ``baremetal_sdk.power_sync``."""
