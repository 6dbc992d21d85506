"""The conformance tests of baremetal-pdu."""

from baremetal_pdu import PDUHardware, PDUPower
from pdu import PDU

from baremetal_interfaces.conformance import HardwareTypeConformance


class TestPDU(HardwareTypeConformance):
    hardware_type = PDUHardware
    interfaces = {"power": PDUPower}
    misbehaving = {"lies": {"pdu_outlet": 2}}

    def setUp(self):
        super().setUp()
        pdu = PDU("s3same")
        pdu.stuck.add(2)
        pdu.__enter__()
        self.addCleanup(pdu.__exit__)
        self.driver_info = {"pdu_address": pdu.url, "pdu_outlet": 1, "pdu_token": "s3same"}
