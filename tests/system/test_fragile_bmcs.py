"""Clients, power sync and sensor reads together, on BMCs that support only one session and one request at a time."""

from __future__ import annotations

from testtools import TestCase

from benchmarks.mixed_requests import run_mixed_requests


class TestFragileBMCs(TestCase):
    """A short run of the benchmark ``mixed_requests``, which sends 20,000 requests."""

    def assert_bmcs_are_not_overloaded(self, driver: str) -> None:
        """Check that no BMC rejected a request because of load, and that clients saw only lock and busy errors."""
        figures = run_mixed_requests(driver, 400, 8)
        self.assertEqual(0, figures["provoked"], figures)
        self.assertEqual(1, figures["in_flight_max"], figures)
        self.assertLess(0, figures["power_sync"], figures)
        errors = {name.partition(": ")[2] for name in figures["errors"]}
        self.assertEqual(set(), errors - {"NodeLocked", "BMCBusy"}, figures)

    def test_redfish_with_a_session(self) -> None:
        """All requests share one login."""
        self.assert_bmcs_are_not_overloaded("redfish")

    def test_redfish_with_basic_authentication(self) -> None:
        """Each request carries the credentials."""
        self.assert_bmcs_are_not_overloaded("basic")

    def test_ipmi(self) -> None:
        """One session sends one command after the other."""
        self.assert_bmcs_are_not_overloaded("ipmi")
