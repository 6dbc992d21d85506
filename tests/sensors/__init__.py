"""Tests of ``baremetal_sdk.sensors``."""
