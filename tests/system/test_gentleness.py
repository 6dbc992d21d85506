"""All that goes on at once, at BMCs that bear no second session and no second request at a time."""

from __future__ import annotations

from testtools import TestCase

from benchmarks.mixed_requests import mixed


class TestFragileBMCs(TestCase):
    """A short run of the measurement in ``benchmarks``, which sends 20,000 requests."""

    def assert_nothing_is_provoked(self, driver: str) -> None:
        """Clients, power sync and sensors meet; nobody sees a refusal that they did not have to."""
        figures = mixed(driver, 400, 8)
        self.assertEqual(0, figures["provoked"], figures)
        self.assertEqual(1, figures["in_flight_max"], figures)
        self.assertLess(0, figures["power_sync"], figures)
        told = {name.partition(": ")[2] for name in figures["errors"]}
        self.assertEqual(set(), told - {"NodeLocked", "BMCBusy"}, figures)

    def test_redfish_with_a_session(self) -> None:
        """One login in all."""
        self.assert_nothing_is_provoked("redfish")

    def test_redfish_with_basic_authentication(self) -> None:
        """Each request says who it is."""
        self.assert_nothing_is_provoked("basic")

    def test_ipmi(self) -> None:
        """One session, and one command after the other."""
        self.assert_nothing_is_provoked("ipmi")
