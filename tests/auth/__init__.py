"""Tests of ``baremetal_sdk.auth``."""
