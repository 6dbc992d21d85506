"""Tests of ``baremetal_sdk.cluster``."""
