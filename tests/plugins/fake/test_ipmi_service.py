"""The IPMI test service with three clients: this project's plugin, pyghmi's own client, and ipmitool."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
from typing import Any

import testtools
from pyghmi.ipmi import command as pyghmi_command

from baremetal_fake import Account, Boot, Fault, FaultPlan, Power, Rack
from baremetal_fake.faults import Effect
from baremetal_fake.ipmi import AccessOptions, IPMIOptions, IPMIService
from baremetal_fake.ipmi.messages import BadMessage, read_packet
from baremetal_fake.lab import ManualClock
from baremetal_interfaces import BootDevice, BootMode, Deadline, IndicatorState, PowerState
from baremetal_ipmi import IPMIConnector, IPMIInfo, chassis
from baremetal_ipmi.errors import BMCFull, CommandRefused, CommandUnanswered, IPMIError, LoginRefused, NoAnswer
from baremetal_ipmi.session import IPMISession


class ServiceTestCase(testtools.TestCase):
    """A service for each test, and sessions at its BMCs."""

    def service(self, machines: int = 1, **options: Any) -> IPMIService:
        service = IPMIService(machines, **options)
        service.start()
        self.addCleanup(service.stop)
        return service

    def log_in(self, service: IPMIService, index: int = 0, seconds: float = 10.0, **changes: Any) -> IPMISession:
        info = IPMIInfo(**{**service.driver_info(index), **changes})
        connector = IPMIConnector()
        session = connector.open(info, None, Deadline.after(seconds))
        self.addCleanup(connector.close, session, Deadline.after(1.0))
        return session

    def deadline(self) -> Deadline:
        return Deadline.after(10.0)


class TestOurClient(ServiceTestCase):
    """The service with the client of this project's plugin."""

    def test_power_and_boot_device_reach_the_machine(self) -> None:
        """Commands take effect at the machine itself."""
        for suite in (3, 17):
            service = self.service()
            session = self.log_in(service, ipmi_cipher_suite=suite)
            chassis.set_boot_device(session, BootDevice.PXE, persistent=False, uefi=True, deadline=self.deadline())
            found = chassis.get_boot_device(session, self.deadline())
            self.assertEqual(BootDevice.PXE, found.device)
            self.assertIs(False, found.persistent)
            chassis.send_control(session, chassis.Control.POWER_UP, self.deadline())
            self.assertEqual(PowerState.ON, chassis.get_power_state(session, self.deadline()))
            booted = service.machine().last_boot
            assert isinstance(booted, Boot)
            self.assertEqual(BootDevice.PXE, booted.device)
            self.assertEqual(BootMode.UEFI, booted.mode)
            self.assertIsNone(chassis.get_boot_device(session, self.deadline()).device)

    def test_each_machine_has_its_own_bmc(self) -> None:
        """A command or a session at one BMC does not affect another."""
        service = self.service(3)
        chassis.send_control(self.log_in(service, 1), chassis.Control.POWER_UP, self.deadline())
        self.assertEqual([Power.OFF, Power.ON, Power.OFF], [service.machine(index).power for index in range(3)])
        self.assertEqual(1, service.totals()["logins"])

    def test_boot_flags_expire_after_a_minute(self) -> None:
        """Boot flags are cleared if no power command follows within 60 seconds, unless the BMC keeps them."""
        clock = ManualClock()
        service = self.service(rack=Rack("ipmi", clock=clock), options=IPMIOptions(AccessOptions(session_timeout=600.0)))
        session = self.log_in(service)
        for keep, expected in ((False, None), (True, BootDevice.PXE)):
            if keep:
                chassis.keep_boot_device(session, self.deadline())
            chassis.set_boot_device(session, BootDevice.PXE, persistent=False, uefi=True, deadline=self.deadline())
            clock.turn(61.0)
            self.assertEqual(expected, chassis.get_boot_device(session, self.deadline()).device)

    def test_consecutive_wrong_passwords_lock_the_account(self) -> None:
        """After consecutive wrong passwords, the account refuses the right password until the account is unlocked."""
        access = AccessOptions(Account("root", "right"), lockout_after=2)
        service = self.service(options=IPMIOptions(access))
        for _ in range(2):
            self.assertRaises(LoginRefused, self.log_in, service, ipmi_password="wrong")
        self.assertRaises(LoginRefused, self.log_in, service)
        self.assertEqual(3, service.totals()["login_attempts"])
        service.bmc().logins.unlock()
        self.log_in(service)
        self.assertEqual((4, 1), tuple(service.totals()[name] for name in ("login_attempts", "logins")))

    def test_a_session_above_the_limit_is_refused(self) -> None:
        """A login above the limit of sessions is refused, and succeeds after another session has ended."""
        service = self.service(options=IPMIOptions(AccessOptions(session_limit=1)))
        first = self.log_in(service)
        self.assertRaises(BMCFull, self.log_in, service)
        first.close(self.deadline())
        self.assertEqual(PowerState.OFF, chassis.get_power_state(self.log_in(service), self.deadline()))
        self.assertEqual(1, service.totals()["open_sessions_max"])

    def test_only_offered_cipher_suites_are_accepted(self) -> None:
        """A cipher suite that the BMC does not offer is refused before the login names an account."""
        service = self.service(options=IPMIOptions(AccessOptions(suites=(3,))))
        self.assertRaises(IPMIError, self.log_in, service, ipmi_cipher_suite=17)
        self.log_in(service)
        self.assertEqual(1, service.totals()["login_attempts"])

    def test_a_bmc_key_is_required_for_the_login(self) -> None:
        """If the BMC has a key, the password alone does not open a session."""
        key = bytes(range(20))
        service = self.service(options=IPMIOptions(AccessOptions(key=key)))
        self.assertEqual(
            PowerState.OFF, chassis.get_power_state(self.log_in(service, ipmi_hex_kg_key=key.hex()), self.deadline())
        )
        self.assertRaises(IPMIError, self.log_in, service)

    def test_a_command_above_the_privilege_level_is_refused(self) -> None:
        """A session with the level USER can read the power but not change it."""
        service = self.service()
        session = self.log_in(service, ipmi_priv_level="USER")
        self.assertEqual(PowerState.OFF, chassis.get_power_state(session, self.deadline()))
        refused = self.assertRaises(CommandRefused, chassis.send_control, session, chassis.Control.POWER_UP, self.deadline())
        self.assertEqual(0xD4, refused.code)

    def test_faults_apply(self) -> None:
        """Each effect applies: busy, refuse, lose, a dropped packet that is sent again, and a session that ends."""
        service = self.service()
        session = self.log_in(service)
        machine = service.machine()
        # Each fault applies until the next plan: a client that sends a message again would use up a number of times.
        machine.inject(FaultPlan.from_json({"get_power": {"effect": "busy"}}))
        self.assertRaises(BMCFull, chassis.get_power_state, session, self.deadline())
        machine.inject(FaultPlan.from_json({"set_power": {"effect": "refuse"}}))
        self.assertRaises(CommandRefused, chassis.send_control, session, chassis.Control.POWER_UP, self.deadline())
        machine.inject(FaultPlan.from_json({"set_power": {"effect": "lose"}}))
        chassis.send_control(session, chassis.Control.POWER_UP, self.deadline())
        self.assertEqual(PowerState.OFF, chassis.get_power_state(session, self.deadline()))
        machine.inject(FaultPlan((Fault("connect", Effect.DROP, times=1),)))
        self.assertEqual(PowerState.OFF, chassis.get_power_state(session, self.deadline()))
        service.end_sessions()
        self.assertRaises(CommandUnanswered, chassis.get_power_state, session, Deadline.after(0.3))

    def test_a_hung_bmc_answers_nothing(self) -> None:
        """A login at a BMC that hangs ends at its deadline, and does not count as an attempt."""
        service = self.service()
        service.machine().inject(FaultPlan((Fault("connect", Effect.HANG),)))
        self.assertRaises(NoAnswer, self.log_in, service, seconds=0.3)
        self.assertEqual(0, service.totals()["login_attempts"])


class TestDatagrams(ServiceTestCase):
    """Datagrams that are not valid messages."""

    def test_garbage_is_not_answered_and_a_ping_is(self) -> None:
        """The BMC ignores garbage and then still answers a ping."""
        service = self.service()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(10.0)
            client.connect(service.address_of())
            for garbage in (
                b"",
                b"\x06",
                bytes(40),
                b"\x06\x00\xff\x07\x06\x10" + bytes(9),
                b"\x06\x00\xff\x07\x06\xc0" + b"\xff" * 60,
            ):
                client.send(garbage)
            client.send(b"\x06\x00\xff\x06\x00\x00\x11\xbe\x80\x07\x00\x00")
            answer = client.recv(100)
        self.assertEqual(0x40, answer[8])
        self.assertEqual(0x07, answer[9])

    def test_a_packet_shorter_than_its_length_field_is_refused(self) -> None:
        """A packet that is shorter than its header says is not valid."""
        header = b"\x06\x00\xff\x07\x06\x00" + bytes(8)
        for datagram in (header + b"\xff\xff", header + b"\x05\x00abcd"):
            self.assertRaises(BadMessage, read_packet, datagram)


class TestOtherClients(ServiceTestCase):
    """Clients from outside of this project."""

    def test_pyghmi(self) -> None:
        """pyghmi's client reads sensors and events, and changes power, boot device and identify light."""
        service = self.service()
        host, port = service.address_of()
        client = pyghmi_command.Command(bmc=host, userid="admin", password="password", port=port)
        self.addCleanup(client.ipmi_session.logout)
        self.assertEqual({"powerstate": "on"}, client.set_power("on", wait=True))
        client.set_bootdev("network", persist=True, uefiboot=True)
        self.assertEqual({"bootdev": "network", "persistent": True, "uefimode": True}, client.get_bootdev())
        readings = {reading.name: reading.value for reading in client.get_sensor_data()}
        self.assertEqual(24.0, readings["Inlet Temp"])
        self.assertAlmostEqual(12.06, readings["12V"])
        self.assertEqual(1, len(list(client.get_event_log())))
        client.set_identify(True)
        self.assertEqual(IndicatorState.ON, service.machine().indicator)

    def test_ipmitool(self) -> None:
        """ipmitool works with both cipher suites, and with the suite that it selects itself."""
        tool = shutil.which("ipmitool")
        if tool is None:
            self.skipTest("ipmitool is not installed")
        service = self.service()
        host, port = service.address_of()
        for suite in (["-C", "3"], ["-C", "17"], []):
            login = [tool, "-I", "lanplus", *suite, "-H", host, "-p", str(port), "-U", "admin", "-E"]

            def run(*words: str, login: list[str] = login) -> str:
                environment = {"IPMI_PASSWORD": "password", "PATH": "/usr/bin:/bin"}
                done = subprocess.run([*login, *words], capture_output=True, text=True, timeout=60, check=True, env=environment)
                return done.stdout

            run("chassis", "power", "on")
            self.assertIn("is on", run("chassis", "power", "status"))
            run("chassis", "bootdev", "cdrom", "options=efiboot")
            self.assertIn("Force Boot from CD/DVD", run("chassis", "bootparam", "get", "5"))
            self.assertIn("12.06 Volts", run("sdr", "list"))
            self.assertIn("S0/G0: working", run("sel", "list"))
            run("sel", "clear")
            self.assertEqual({}, service.bmc().events.records)
            run("chassis", "power", "off")
            self.assertEqual(Power.OFF, service.machine().power)

    def test_the_command(self) -> None:
        """The command prints a first line when it is ready, ends on SIGTERM, and reports a wrong option."""
        run = [sys.executable, "-m", "baremetal_fake.ipmi"]
        process = subprocess.Popen([*run, "--count", "2", "--username", "root"], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertIn('"ready": true', process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        self.assertEqual(0, process.wait(timeout=30.0))
        wrong = subprocess.run([*run, "--address", "192.0.2.1"], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(1, wrong.returncode)
        self.assertIn("not a loopback address", wrong.stderr)
