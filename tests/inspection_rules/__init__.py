"""Tests of ``baremetal_sdk.inspection_rules``."""
