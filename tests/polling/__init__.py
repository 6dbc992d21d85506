"""Tests of ``baremetal_sdk.polling``."""
