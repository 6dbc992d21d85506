"""Tests of ``baremetal_sdk.services``."""
