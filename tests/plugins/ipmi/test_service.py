"""Sessions, bridging, sensors, event log, light, interrupt and raw commands at the IPMI test service."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

from testtools import TestCase

from baremetal_fake import Account
from baremetal_fake.faults import FaultPlan
from baremetal_fake.ipmi import AccessOptions, IPMIOptions, IPMIService, Sensor
from baremetal_fake.ipmi.event_log import EventLog
from baremetal_interfaces import (
    BMCBusy,
    BMCUnreachable,
    BootDevice,
    BootMode,
    Deadline,
    DeadlineExceeded,
    IndicatorState,
    InvalidInput,
    LocalTask,
    Node,
    NotSupported,
    PowerState,
    RequestUnanswered,
    UnexpectedAnswer,
)
from baremetal_interfaces.conformance import HardwareTypeConformance
from baremetal_ipmi import IPMIHardware, IPMIManagement, IPMIPower, wire
from baremetal_ipmi.connector import IPMIConnector
from baremetal_ipmi.event_log import parse_event
from baremetal_ipmi.info import IPMIInfo
from baremetal_ipmi.sdr import SensorRecord
from baremetal_sdk.bmc import BMCAccess
from baremetal_sdk.testing import ManualClock
from tests.plugins.ipmi.service_case import INTERFACES, BMCTestCase

LIGHT = ("chassis", "identify")


class TestSessions(BMCTestCase):
    def test_session_is_closed_after_a_lost_response(self) -> None:
        """After a lost response the session is closed at the BMC, so that the BMC's only session is free for the next login."""
        service = self.serve(access=AccessOptions(session_limit=1))
        service.inject(FaultPlan.from_json({"get_power": {"effect": "hang", "times": 1}}))
        self.assertRaises(BMCUnreachable, self.task(service, timeout=0.3).call, "power", "get_power_state")
        self.assertEqual(PowerState.OFF, self.task(service).call("power", "get_power_state"))
        self.assertEqual(0, service.totals()["turned_away"])

    def test_command_without_time_for_its_response_is_not_sent(self) -> None:
        """A command is not sent if the deadline leaves no time for the response, and the session stays usable."""
        service = self.serve()
        service.latency = 0.1
        host, port = service.address_of()
        info = IPMIInfo(ipmi_address=host, ipmi_port=port, ipmi_username="admin", ipmi_password="password")
        session = IPMIConnector().open(info, None, Deadline.after(20.0))
        self.addCleanup(session.close, Deadline.after(1.0))
        session.request(0x00, 0x01, deadline=Deadline.after(20.0))
        self.assertRaises(DeadlineExceeded, session.request, 0x00, 0x01, deadline=Deadline.after(0.05))
        self.assertEqual(4, len(session.request(0x00, 0x01, deadline=Deadline.after(20.0))))


class TestBridging(TestCase):
    """Machines of a chassis, whose controllers are behind others."""

    SINGLE: ClassVar[dict[str, Any]] = {
        "ipmi_bridging": "single",
        "ipmi_target_channel": 0,
        "ipmi_target_address": "0x82",
    }
    DUAL: ClassVar[dict[str, Any]] = {
        "ipmi_bridging": "dual",
        "ipmi_transit_channel": 0,
        "ipmi_transit_address": "0x82",
        "ipmi_target_channel": 7,
        "ipmi_target_address": "0x72",
    }

    def chassis(self, **options: Any) -> IPMIService:
        """Return a chassis manager, with a controller behind it and another one behind that."""
        service = IPMIService(3, options=IPMIOptions(**options))
        service.bridge(0, 0, 0x82, 1)
        service.bridge(1, 7, 0x72, 2)
        service.start()
        self.addCleanup(service.stop)
        return service

    def task(self, service: IPMIService, timeout: float = 20.0, **changes: Any) -> LocalTask:
        interfaces = {"power": IPMIPower(), "management": IPMIManagement()}
        return LocalTask(interfaces, {**service.driver_info(0), **changes}, timeout=timeout, poll_interval=0.02)

    def test_commands_reach_the_target_controller(self) -> None:
        """Commands reach only the target, over one controller or two, whether responses are separate or nested."""
        for within in (False, True):
            service = self.chassis(embeds_bridged_response=within)
            for index, info in ((1, self.SINGLE), (2, self.DUAL)):
                task = self.task(service, **info)
                task.power.set(PowerState.ON)
                self.assertEqual(PowerState.ON, task.power.get())
                running = [str(service.machine(number).power) for number in range(3)]
                self.assertEqual(["on" if 0 < number <= index else "off" for number in range(3)], running)
                task.call("management", "set_boot_device", BootDevice.PXE)
                self.assertEqual(BootDevice.PXE, service.machine(index).boot_override[0])

    def test_unreachable_controller_is_named_with_its_route(self) -> None:
        """The error names the route, whether the transit or the target controller is missing."""
        service = self.chassis()
        for wrong in ({"ipmi_target_address": "0x74"}, {"ipmi_transit_address": "0x84"}):
            error = self.assertRaises(
                UnexpectedAnswer, self.task(service, **{**self.DUAL, **wrong}).call, "power", "get_power_state"
            )
            self.assertRegex(str(error), "cannot reach the controller 0x7[24] on channel 7 by 0x8[24] on channel 0")

    def test_one_login_serves_all_controllers_of_a_chassis(self) -> None:
        """The chassis manager has a single session, which serves it and the controllers behind it."""
        service = self.chassis(access=AccessOptions(session_limit=1))
        access = BMCAccess(ManualClock())
        for info in ({}, self.SINGLE, self.DUAL):
            parsed = IPMIInfo.parse({**service.driver_info(0), **info})
            with access.borrow(IPMIConnector, parsed, (), Deadline.after(20.0)) as session:
                self.assertEqual(PowerState.OFF, IPMIPower().sample_power(session, parsed, Deadline.after(20.0)))
        self.assertEqual(1, service.totals()["logins"])
        self.assertEqual(0, service.totals()["turned_away"])
        access.close(Deadline.after(5.0))

    def test_a_silent_controller_is_not_the_fault_of_the_bmc(self) -> None:
        """A call of a silent controller ends soon after the BMC has taken it, over one controller or two.

        It is not sent again, later calls of that controller are held back, and the session goes on for the other controllers.
        """
        self.patch(wire, "TARGET_TIMEOUT_S", 0.2)
        service = self.chassis(access=AccessOptions(session_limit=1))
        clock = ManualClock()
        access = BMCAccess(clock)
        self.addCleanup(access.close, Deadline.after(5.0))

        def read(info: dict[str, Any]) -> PowerState | None:
            parsed = IPMIInfo.parse({**service.driver_info(0), **info})
            with access.borrow(IPMIConnector, parsed, (), Deadline.after(20.0)) as session:
                return IPMIPower().sample_power(session, parsed, Deadline.after(20.0))

        for index, silent, others in ((1, self.SINGLE, ({}, self.DUAL)), (2, self.DUAL, ({}, self.SINGLE))):
            machine = service.machine(index)
            machine.inject(FaultPlan.from_json({"get_power": {"effect": "hang"}}))
            for _ in range(3):
                self.assertIn("0x", str(self.assertRaises(RequestUnanswered, read, silent)))
            self.assertIn("3 times in a row", str(self.assertRaises(BMCUnreachable, read, silent)))
            for info in others:
                self.assertEqual(PowerState.OFF, read(info))
            machine.inject(FaultPlan())
            clock.turn(100.0)  # the end of the back-off
        self.assertEqual(1, service.totals()["logins"])

    def test_local_address_of_the_bmc(self) -> None:
        """The BMC's address on the channel is part of the bridged message; the default is 20h."""
        for info, address in ((self.SINGLE, 0x20), ({**self.SINGLE, "ipmi_local_address": "0x2C"}, 0x2C)):
            route = IPMIInfo.parse({"ipmi_address": "bmc", **info}).build_route()
            assert route is not None
            self.assertEqual(address, route.build_message(0, 1, (), 5)[7 + 3])


class TestSensors(BMCTestCase):
    def test_readings_have_units_thresholds_and_status(self) -> None:
        """Readings have the format that clients know from IPMI nodes; a sensor without a reading says so."""
        service = self.serve()
        task = self.task(service)
        found = task.call("management", "get_sensors_data")
        self.assertEqual({"Temperature", "Fan", "Voltage", "Other"}, set(found))
        inlet = found["Temperature"]["Inlet Temp (0x1)"]
        self.assertEqual("24 degrees C", inlet["Sensor Reading"])
        self.assertEqual("ok", inlet["Status"])
        self.assertEqual("47.000", inlet["Upper critical"])
        self.assertEqual("No Reading", found["Fan"]["Fan 1 (0x3)"]["Sensor Reading"])
        service.machine().command_power(PowerState.ON)
        found = task.call("management", "get_sensors_data")
        self.assertEqual("8400 RPM", found["Fan"]["Fan 1 (0x3)"]["Sensor Reading"])
        self.assertEqual("12.06 Volts", found["Voltage"]["12V (0x4)"]["Sensor Reading"])

    def test_reading_past_a_threshold_is_critical(self) -> None:
        """The status is the BMC's own evaluation of the thresholds."""
        hot = Sensor(9, "Inlet Temp", 0x01, 0x01, raw=60, upper_critical=47)
        found = self.task(self.serve(sensors=(hot,))).call("management", "get_sensors_data")
        self.assertEqual("cr", found["Temperature"]["Inlet Temp (0x9)"]["Status"])

    def test_no_sensors_are_not_an_error(self) -> None:
        """A BMC without sensor records reports no readings."""
        self.assertEqual({}, self.task(self.serve(sensors=())).call("management", "get_sensors_data"))

    def test_concurrent_readers_finish(self) -> None:
        """Several readers of records in parts, which share one reservation of the BMC, all finish."""
        for whole in (False, True):
            service = self.serve(whole_sensor_records=whole)
            expected = self.task(service).call("management", "get_sensors_data")
            with ThreadPoolExecutor(4) as readers:
                found = [readers.submit(self.task(service).call, "management", "get_sensors_data") for _ in range(8)]
            self.assertEqual([expected] * 8, [reading.result() for reading in found])

    def test_whole_record_needs_no_reservation(self) -> None:
        """A BMC that returns whole records is read with one request for each, without a reservation."""
        service = self.serve(whole_sensor_records=True)
        self.task(service).call("management", "get_sensors_data")
        self.assertEqual(0, service.bmc().sensor_reservation)

    def test_conversion_formula(self) -> None:
        """Factors, exponents, signs and linearizations follow the specification; an undefined result is None."""
        for record, raw, expected in (
            (SensorRecord(1, "a", 1, (7, 1), factors=(2, 5, 1, -1)), 100, 25.0),
            (SensorRecord(1, "b", 1, (7, 1), signed=2, factors=(1, 0, 0, 0)), 0xFF, -1.0),
            (SensorRecord(1, "c", 1, (7, 1), signed=1, factors=(1, 0, 0, 0)), 0xFE, -1.0),
            (SensorRecord(1, "d", 1, (7, 1), linearization=7, factors=(1, 0, 0, 0)), 4, 0.25),
            (SensorRecord(1, "e", 1, (7, 1), linearization=7, factors=(1, 0, 0, 0)), 0, None),
            (SensorRecord(1, "f", 1, (7, 1), linearization=0x70, factors=(1, 0, 0, 0)), 1, None),
            (SensorRecord(1, "g", 1, (7, 1)), 1, None),
        ):
            self.assertEqual(expected, record.convert(raw), record.name)


class TestEvents(BMCTestCase):
    def test_events_are_read_and_erased(self) -> None:
        """The log lists the machine's events, oldest first, until it is erased."""
        service = self.serve()
        task = self.task(service)
        self.assertEqual({"events": []}, task.call("vendor", "get_event_log"))
        for state in (PowerState.ON, PowerState.OFF):
            task.call("power", "set_power_state", state)
        events = task.call("vendor", "get_event_log")["events"]
        self.assertEqual(
            [(1, 0x22, "00ffff"), (2, 0x22, "05ffff")], [(e["id"], e["sensor_type"], e["event_data"]) for e in events]
        )
        self.assertEqual(1, len(task.call("vendor", "get_event_log", limit="1")["events"]))
        task.call("vendor", "clear_event_log")
        self.assertEqual([], task.call("vendor", "get_event_log")["events"])
        self.assertRaises(InvalidInput, task.call, "vendor", "get_event_log", limit="0")

    def test_parsed_records(self) -> None:
        """Times since the start of the BMC are not dates, and vendor records are returned unchanged."""
        log = EventLog(lambda: 0.0)
        log.add_event(0x01, 3, 9, asserted=False)
        found = parse_event(log.find(0)[1])
        self.assertEqual(3, found["sensor"])
        self.assertEqual(False, found["asserted"])
        self.assertEqual("2023-11-14T22:13:20+00:00", found["time"])
        self.assertEqual("100 s after the start of the BMC", parse_event(bytes((1, 0, 2, 100)) + bytes(12))["time"])
        self.assertEqual({"id": 1, "record_type": 0xE1, "data": "00" * 13}, parse_event(bytes((1, 0, 0xE1)) + bytes(13)))


class TestControls(BMCTestCase):
    def test_light(self) -> None:
        """The light stays on until it is switched off; other lights and blinking are refused."""
        service = self.serve()
        task = self.task(service)
        for state in (IndicatorState.ON, IndicatorState.OFF):
            task.call("management", "set_indicator_state", *LIGHT, state)
            self.assertEqual(state, task.call("management", "get_indicator_state", *LIGHT))
        self.assertRaises(InvalidInput, task.call, "management", "set_indicator_state", *LIGHT, IndicatorState.BLINKING)
        self.assertRaises(InvalidInput, task.call, "management", "get_indicator_state", "system", "led")

    def test_interrupt_and_raw_commands(self) -> None:
        """The machine receives the interrupt, and a raw command returns the response unchanged."""
        service = self.serve()
        task = self.task(service)
        task.call("management", "inject_nmi")
        self.assertEqual(1, service.machine().nmi_count)
        self.assertEqual({"data": "00 00 40 00"}, task.call("vendor", "send_raw", raw_bytes="0x00 0x01"))
        for wrong in (None, "", "0x00", "0x01 0x01", "0x00 0x100", "power on"):
            self.assertRaises(InvalidInput, task.call, "vendor", "send_raw", raw_bytes=wrong)

    def test_restarted_bmc_has_new_sessions(self) -> None:
        """A restart ends the session, and the next call logs in again."""
        service = self.serve()
        task = self.task(service)
        task.call("vendor", "bmc_reset", warm="false")
        self.assertEqual(PowerState.OFF, task.call("power", "get_power_state"))
        self.assertEqual(2, service.totals()["logins"])
        self.assertRaises(InvalidInput, task.call, "vendor", "bmc_reset", warm="maybe")

    def test_persistent_boot_in_bios_mode(self) -> None:
        """Persistence and boot mode reach the machine; the error of a BMC without UEFI names the device."""
        service = self.serve()
        legacy = Node(uuid="7d4a5b6c-0000-4000-8000-000000000001", properties={"capabilities": "boot_mode:bios"})
        self.task(service, node=legacy).call("management", "set_boot_device", BootDevice.CDROM, True)
        machine = service.machine()
        self.assertEqual((BootDevice.CDROM, True), machine.boot_override)
        self.assertEqual(BootMode.BIOS, machine.boot_mode)
        refused = self.assertRaises(
            NotSupported, self.task(self.serve(uefi=False)).call, "management", "set_boot_device", BootDevice.PXE
        )
        self.assertIn("pxe", str(refused))


class TestLogins(BMCTestCase):
    def setUp(self) -> None:
        super().setUp()
        # The port of a former BMC with suite 17 may be that of one without.
        IPMIConnector.traits.clear()

    def test_each_cipher_suite_costs_one_login(self) -> None:
        """A BMC's cipher suite is found before the account is sent, so that each suite costs a single login."""
        for known, requested in (((3, 17), None), ((3,), None), ((17,), None), ((3, 17), 3), ((3, 17), 17)):
            service = self.serve(access=AccessOptions(suites=known))
            changes: dict[str, Any] = {} if requested is None else {"ipmi_cipher_suite": requested}
            self.assertEqual(PowerState.OFF, self.task(service, **changes).call("power", "get_power_state"))
            totals = service.totals()
            self.assertEqual(1, totals["login_attempts"], str((known, requested)))
            self.assertEqual(0, totals["refused_logins"], str((known, requested)))

    def test_lower_privilege_levels_can_read(self) -> None:
        """The privilege level USER is sufficient for the power state and the sensors."""
        service = self.serve(access=AccessOptions(highest_level=2))
        task = self.task(service, ipmi_priv_level="USER")
        self.assertEqual(PowerState.OFF, task.call("power", "get_power_state"))
        self.assertIn("Temperature", task.call("management", "get_sensors_data"))

    def test_faults_of_a_busy_full_or_silent_bmc(self) -> None:
        """A busy BMC and one without sessions are busy; a silent BMC is unreachable."""
        service = self.serve(access=AccessOptions(session_limit=1))
        service.machine().inject(FaultPlan.from_json({"get_power": {"effect": "busy", "times": 4}}))
        self.assertRaises(BMCBusy, self.task(service).call, "power", "get_power_state")
        service.machine().inject(FaultPlan.from_json({"connect": {"effect": "hang"}}))
        self.assertRaises(BMCUnreachable, self.task(service, timeout=0.5).call, "power", "get_power_state")

    def test_command_of_a_busy_bmc_is_retried(self) -> None:
        """A command is retried twice: of four refusals, the last one meets the next command."""
        service = self.serve()
        service.machine().inject(FaultPlan.from_json({"get_power": {"effect": "busy", "times": 4}}))
        self.assertRaises(BMCBusy, self.task(service).call, "power", "get_power_state")
        self.assertEqual("power off", self.task(service).call("power", "get_power_state"))


class TestServiceConformance(HardwareTypeConformance, BMCTestCase):
    """All rules of the kit at the test service."""

    hardware_type = IPMIHardware
    interfaces = INTERFACES

    def setUp(self) -> None:
        super().setUp()
        self.driver_info = self.serve(access=AccessOptions(Account("root", "correct horse"))).driver_info()
