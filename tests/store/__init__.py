"""Tests of ``baremetal_sdk.store``."""
