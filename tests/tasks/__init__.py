"""Tests of ``baremetal_sdk.tasks``."""
