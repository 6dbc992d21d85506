"""Tests of ``baremetal_sdk.http``."""
