"""Tests of ``baremetal_sdk.api.access``."""
