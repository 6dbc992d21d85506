"""Tests of ``baremetal_sdk.concurrency``."""
