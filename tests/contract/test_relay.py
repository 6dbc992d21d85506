"""The relay of the conformance kit."""

from __future__ import annotations

import socket

from testtools import TestCase

from baremetal_interfaces.conformance.relay import Misbehaviour, Relay

ROUNDS = 50


class RelayTest(TestCase):
    """A relay between a client that sends UDP messages and a BMC that only receives."""

    def setUp(self) -> None:
        super().setUp()
        self.bmc = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.bmc.close)
        self.bmc.bind(("127.0.0.1", 0))
        self.bmc.settimeout(10.0)
        self.client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.client.close)

    def test_messages_sent_before_a_mode_change_arrive(self) -> None:
        """A message sent before the relay becomes silent is forwarded; later ones are dropped."""
        for number in range(ROUNDS):
            with Relay(self.bmc.getsockname()) as relay:
                self.client.sendto(b"before %d" % number, ("127.0.0.1", relay.port))
                relay.behave(Misbehaviour.SILENT)
                self.client.sendto(b"meanwhile", ("127.0.0.1", relay.port))
                relay.behave(None)
                self.client.sendto(b"after %d" % number, ("127.0.0.1", relay.port))
            received = [self.bmc.recv(100) for _ in range(2)]
            self.assertEqual([b"before %d" % number, b"after %d" % number], received)
