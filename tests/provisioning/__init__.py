"""Tests of ``baremetal_sdk.provisioning``."""
