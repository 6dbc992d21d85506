"""Tests of ``baremetal_sdk.rpc``."""
