"""Tests of ``baremetal_redfish``."""
