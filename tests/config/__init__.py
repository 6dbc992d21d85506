"""Tests of ``baremetal_sdk.config``."""
