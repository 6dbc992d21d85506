"""Tests of ``baremetal_sdk.conductor``."""
