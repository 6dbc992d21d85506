"""Tests of ``baremetal_sdk.observability``."""
