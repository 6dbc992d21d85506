"""Reading of sensor records and of the event log at BMCs with limits and mistakes."""

from __future__ import annotations

from typing import Any

from baremetal_interfaces import BMCBusy, PowerState
from tests.plugins.ipmi.service_case import BMCTestCase

SENSORS = ("management", "get_sensors_data")
LOG = ("vendor", "get_event_log")


class TestReadSize(BMCTestCase):
    def test_limited_reads_return_all_sensors(self) -> None:
        """A BMC that returns at most 16 or 8 bytes, and refuses more with any of the usual codes, returns all sensors."""
        expected = self.task(self.serve(whole_sensor_records=True)).call(*SENSORS)
        for size in (16, 8):
            for code in (0xCA, 0xC7, 0xFF):
                service = self.serve(sensor_read_bytes=size, sensor_read_code=code)
                self.assertEqual(expected, self.task(service).call(*SENSORS), f"{size} bytes, code {code:#x}")

    def test_size_is_remembered_for_later_sessions(self) -> None:
        """A later session does not try the sizes again that the BMC has refused."""
        service = self.serve(sensor_read_bytes=8)
        operations, counts = service.machine().operations, []
        for _ in range(3):
            before = operations["get_sensors"]
            self.task(service).call(*SENSORS)
            counts.append(operations["get_sensors"] - before)
        # The first session tries 255 and 16 bytes.
        self.assertEqual([counts[0] - 2] * 2, counts[1:])


class TestReservation(BMCTestCase):
    def test_lost_reservation_is_renewed(self) -> None:
        """Reads and erasures go on after another client has cancelled the reservation."""
        expected = self.task(self.serve()).call(*SENSORS)
        service = self.serve(lost_reservations=3)
        self.assertEqual(expected, self.task(service).call(*SENSORS))
        service = self.serve(lost_reservations=3)
        self.task(service).power.set(PowerState.ON)
        self.task(service).call("vendor", "clear_event_log")
        self.assertEqual([], self.task(service).call(*LOG)["events"])

    def test_reservation_that_is_always_lost_is_an_error(self) -> None:
        """The BMC counts as busy after a number of lost reservations, long before the deadline."""
        service = self.serve(lost_reservations=10_000)
        for call in (SENSORS, ("vendor", "clear_event_log")):
            error = self.assertRaises(BMCBusy, self.task(service, timeout=600.0).call, *call)
            self.assertIn("cancelled the reservation", str(error))


class TestSensorList(BMCTestCase):
    def test_broken_and_missing_records_do_not_hide_the_others(self) -> None:
        """A record without a body, and a reference to a missing record, leave the other sensors readable."""
        expected = self.task(self.serve()).call(*SENSORS)
        for options in ({"has_broken_sensor": True}, {"phantom_sensor_code": 0xC3}, {"phantom_sensor_code": 0xCB}):
            self.assertEqual(expected, self.task(self.serve(**options)).call(*SENSORS), str(options))


class TestEventLog(BMCTestCase):
    def read(self, count: int, **options: Any) -> list[int]:
        """Return the numbers of the events in a log with *count* entries."""
        service = self.serve(**options)
        log = service.bmc().events
        for number in range(count):
            service.run_on_loop(lambda number=number: log.add_event(0x01, number, 1))
        return [event["id"] for event in self.task(service).call(*LOG)["events"]]

    def test_log_ends_at_a_reference_to_an_earlier_entry(self) -> None:
        """A log whose last entry refers to the first one is read once, whatever the number of the first entry is."""
        for first in (0, 1, 7):
            expected = [first, first + 1, first + 2]
            for circular in (False, True):
                self.assertEqual(expected, self.read(3, first_event_number=first, circular_event_log=circular))

    def test_numbers_wrap(self) -> None:
        """Numbers after FFFEh start again, and the log is read to its end."""
        self.assertEqual([0xFFFD, 0xFFFE, 1, 2], self.read(4, first_event_number=0xFFFD))

    def test_log_with_one_entry(self) -> None:
        """A single entry that refers to itself is read once."""
        self.assertEqual([0], self.read(1, first_event_number=0, circular_event_log=True))
        self.assertEqual([5], self.read(1, first_event_number=5, circular_event_log=True))
