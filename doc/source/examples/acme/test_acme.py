"""The conformance tests of baremetal-acme. This is the whole test file."""

from baremetal_interfaces.conformance import HardwareTypeConformance


class TestAcme(HardwareTypeConformance):
    hardware_type = "acme"
    driver_info = {"acme_address": "127.0.0.1", "acme_port": 6230, "acme_password": "secret"}
