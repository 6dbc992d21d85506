"""Tests of ``baremetal_sdk.doctor``."""
