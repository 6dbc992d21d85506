"""LocalTask: sessions, errors, and the data of a node."""

from __future__ import annotations

import logging
import uuid
from typing import Any

from fixtures import FakeLogger
from testtools import TestCase

from baremetal_interfaces import (
    MASK,
    AuthenticationFailed,
    BMCUnreachable,
    BootDevice,
    Connector,
    Deadline,
    DeadlineExceeded,
    Driver,
    DriverError,
    Endpoint,
    InvalidInput,
    Kind,
    LocalTask,
    Node,
    NotSupported,
    PowerState,
    Task,
    TLSOptions,
    UnexpectedAnswer,
)
from baremetal_interfaces.local import CLOSE_TIMEOUT_S
from baremetal_sdk.drivers.builtin import absent, network_boot, noop, ramdisk
from tests.contract import acme


class LocalTaskTestCase(TestCase):
    """Base of tests with a machine, its interfaces, and a manual clock."""

    def setUp(self) -> None:
        super().setUp()
        self.address = f"10.0.0.{uuid.uuid4()}"
        self.machine = acme.MACHINES[self.address] = acme.Machine()
        self.addCleanup(acme.MACHINES.pop, self.address)
        self.now = 0.0
        self.power = acme.AcmePower()

    def task(self, raw: dict[str, Any] | None = None, **settings: Any) -> LocalTask:
        given = {"power": self.power, "management": acme.AcmeManagement()}
        info = acme.driver_info(self.address) if raw is None else raw
        return LocalTask(given, info, clock=lambda: self.now, **settings)


class TestSessions(LocalTaskTestCase):
    """Sessions of a local task."""

    def test_nested_borrows_share_one_session(self) -> None:
        """A nested block neither logs in nor logs out."""
        task = self.task()
        with task.session(acme.AcmeConnector) as outer:
            with task.session(acme.AcmeConnector) as inner:
                self.assertIs(outer, inner)
            self.assertFalse(outer.closed)
            task.call("power", "get_power_state")
        self.assertEqual(["login", "logout"], self.machine.log)

    def test_each_outermost_borrow_logs_in(self) -> None:
        """No session is kept between two outermost blocks."""
        task = self.task()
        for _ in range(2):
            task.call("power", "get_power_state")
        self.assertEqual(["login", "logout"] * 2, self.machine.log)

    def test_session_is_always_closed(self) -> None:
        """The session is closed after an error, after an interrupt, and after the deadline."""
        for exc in (acme.AcmeError("broken"), KeyboardInterrupt(), SystemExit(1)):
            task = self.task()
            try:
                with task.session(acme.AcmeConnector) as session:
                    self.now += 1e6
                    raise exc
            except BaseException as raised:
                self.assertTrue(session.closed, repr(raised))
        self.assertEqual(["login", "logout"] * 3, self.machine.log)

    def test_logout_has_its_own_time_limit_and_may_fail(self) -> None:
        """The logout may start after the task's deadline, and its failure is logged without secrets."""
        lines = self.useFixture(FakeLogger(level=logging.WARNING))
        deadlines: list[Deadline] = []

        class FailingLogout(acme.AcmeConnector):
            def close(self, session: acme.Session, deadline: Deadline) -> None:
                deadlines.append(deadline)
                raise acme.AcmeError(f"cannot log out with {acme.PASSWORD}")

        task = self.task(connectors={acme.AcmeConnector: FailingLogout()}, timeout=10.0)
        with task.session(acme.AcmeConnector):
            self.now += 20.0
        self.assertEqual(CLOSE_TIMEOUT_S, deadlines[0].remaining())
        self.assertIn(f"cannot log out with {MASK}", lines.output)

    def test_no_session_is_opened_after_the_deadline(self) -> None:
        """A call after the deadline sends nothing to the BMC."""
        task = self.task(timeout=10.0)
        self.now = 10.0
        self.assertRaises(DeadlineExceeded, task.call, "power", "get_power_state")
        self.assertEqual([], self.machine.log)

    def test_connectors_can_be_shared_between_tasks(self) -> None:
        """Tasks with the same mapping use one instance of a connector."""
        connectors: dict[type[Connector[Any]], Connector[Any]] = {}
        self.task(connectors=connectors).call("power", "get_power_state")
        first = connectors[acme.AcmeConnector]
        self.task(connectors=connectors).call("power", "get_power_state")
        self.assertIs(first, connectors[acme.AcmeConnector])

    def test_undeclared_connector_is_refused(self) -> None:
        """A session needs an interface that declares its connector, because the address comes from that interface."""

        class Other(acme.AcmeConnector):
            """Declared by no interface."""

        def borrow() -> None:
            with self.task().session(Other):
                pass

        self.assertIn("Other", str(self.assertRaises(NotSupported, borrow)))

    def test_endpoint_with_tls_gets_a_context(self) -> None:
        """A connector gets a TLS context if the endpoint has TLS options, and an error about invalid ones."""
        contexts: list[Any] = []

        class Info(acme.AcmeInfo):
            def endpoint(self) -> Endpoint:
                ca_file = self.acme_password if self.acme_password.startswith("/") else None
                return Endpoint("https", self.acme_address, tls=TLSOptions(verify=ca_file is not None, ca_file=ca_file))

        class RecordingConnector(acme.AcmeConnector):
            def open(self, info: acme.AcmeInfo, tls: Any, deadline: Any) -> acme.Session:
                contexts.append(tls)
                return super().open(info, tls, deadline)

        class TLSPower(acme.AcmePower):
            info_type = Info

        self.power = TLSPower()
        self.task(connectors={acme.AcmeConnector: RecordingConnector()}).call("power", "get_power_state")
        self.assertFalse(contexts[0].check_hostname)
        task = self.task({**acme.driver_info(self.address), "acme_password": "/no/such/file"})
        error = self.assertRaises(InvalidInput, task.call, "power", "get_power_state")
        self.assertIn(f"the CA file or directory '{MASK}' cannot be used", str(error))


class TestErrors(LocalTaskTestCase):
    """All exceptions become errors of the contract."""

    def test_faults_of_the_bmc_have_their_error_classes(self) -> None:
        """Refused credentials and silence have different errors, which contain the address and no secret."""
        wrong = {**acme.driver_info(self.address), "acme_password": "wr0ng"}
        error = self.assertRaises(AuthenticationFailed, self.task(wrong).call, "power", "get_power_state")
        self.assertIn(self.address, str(error))
        self.assertNotIn("wr0ng", str(error))
        silent = acme.driver_info("192.0.2.1")
        self.assertRaises(BMCUnreachable, self.task(silent).call, "power", "get_power_state")

    def test_exception_during_a_session_is_classified(self) -> None:
        """The connector classifies an exception of the device library that the use of a session raises."""

        def fail(machine: acme.Machine) -> None:
            raise acme.AcmeError(f"token {acme.PASSWORD} is odd")

        self.machine.on_read = fail
        error = self.assertRaises(UnexpectedAnswer, self.task().call, "power", "get_power_state")
        self.assertNotIn(acme.PASSWORD, str(error))
        self.assertIsNone(error.__cause__)
        self.assertIsNone(error.__context__)

    def test_bug_of_a_driver_is_a_driver_error(self) -> None:
        """An exception outside of a session is a DriverError; the log has its traceback without secrets."""
        lines = self.useFixture(FakeLogger(level=logging.DEBUG))

        class BuggyPower(acme.AcmePower):
            def get_power_state(self, task: Task) -> PowerState:
                raise KeyError(task.info("power").acme_password)

        self.power = BuggyPower()
        error = self.assertRaises(DriverError, self.task().call, "power", "get_power_state")
        self.assertIs(DriverError, type(error))
        self.assertIn("get_power_state", lines.output)
        self.assertNotIn(acme.PASSWORD, lines.output + str(error))

    def test_missing_method_is_not_supported(self) -> None:
        """The error names the method and the class."""
        error = self.assertRaises(NotSupported, self.task().call, "management", "inject_nmi")
        self.assertIn("AcmeManagement does not offer inject_nmi", str(error))


class TestNodeData(LocalTaskTestCase):
    """Node, driver_info, state and interfaces of a task."""

    def test_default_node_has_a_random_uuid(self) -> None:
        """Two tasks without a node have different nodes."""
        first, second = self.task().node, self.task().node
        self.assertNotEqual(first.uuid, second.uuid)
        self.assertEqual(first.uuid, str(uuid.UUID(first.uuid)))

    def test_driver_info_is_parsed_once(self) -> None:
        """info() returns the same typed instance each time."""
        task = self.task()
        self.assertEqual(100, task.info("power").acme_port)
        self.assertIs(task.info("power"), task.info(Kind.POWER))

    def test_invalid_driver_info_is_refused_with_all_problems(self) -> None:
        """validate() and each call report the same problems."""
        task = self.task({})
        for attempt in (lambda: task.validate("power"), lambda: task.call("power", "get_power_state")):
            error = self.assertRaises(InvalidInput, attempt)
            self.assertEqual(2, len(error.problems))

    def test_state_lives_as_long_as_the_task(self) -> None:
        """State that a call stores is available in the next call."""
        task = self.task()
        task.power.set(PowerState.ON)
        task.power.set(PowerState.OFF)
        self.assertEqual(2, task.state("power").commands)

    def test_undeclared_info_and_state_raise_lookup_error(self) -> None:
        """info() and state() raise LookupError for an interface that declares no type."""
        task = self.task()
        error = self.assertRaises(LookupError, task.state, "management")
        self.assertIn("AcmeManagement declares no state_type", str(error))
        network_task = LocalTask({"network": noop.NoopNetwork()}, {})
        self.assertIn("declares no info_type", str(self.assertRaises(LookupError, network_task.info, "network")))
        network_task.validate("network")

    def test_use_of_a_missing_interface_is_not_supported(self) -> None:
        """A task may have only some interfaces; the use of a missing one raises NotSupported."""
        task = self.task()
        for use in (lambda: task.driver.boot.prepare_instance(task), lambda: task.info("boot"), lambda: task.state("boot")):
            error = self.assertRaises(NotSupported, use)
            self.assertIn("no boot interface", str(error))
        self.assertEqual({Kind.POWER, Kind.MANAGEMENT}, set(task.interfaces))

    def test_driver_is_used_unchanged(self) -> None:
        """A Driver instead of a mapping keeps its hardware type and all its interfaces."""
        driver = Driver(
            hardware_type="acme",
            power=self.power,
            management=acme.AcmeManagement(),
            boot=network_boot.PXEBoot(),
            deploy=ramdisk.RamdiskDeploy(),
            inspect=absent.NoInspect(),
            bios=absent.NoBIOS(),
            raid=absent.NoRAID(),
            firmware=absent.NoFirmware(),
            console=absent.NoConsole(),
            rescue=absent.NoRescue(),
            network=noop.NoopNetwork(),
            storage=noop.NoopStorage(),
            vendor=absent.NoVendor(),
        )
        task = LocalTask(driver, acme.driver_info(self.address))
        self.assertIs(driver, task.driver)
        self.assertEqual("acme", task.node.driver)
        task.call("deploy", "deploy")
        self.assertEqual(PowerState.ON, self.machine.power)
        self.assertEqual(BootDevice.PXE, self.machine.boot.device)

    def test_log_lines_name_the_node(self) -> None:
        """Log lines contain the name of the node, even if it has percent signs."""
        lines = self.useFixture(FakeLogger(level=logging.INFO))
        self.task(node=Node(uuid="u", name="50%s")).log.info("state %s", "on")
        self.assertEqual("node 50%s: state on\n", lines.output)

    def test_task_can_be_cancelled(self) -> None:
        """cancelled is true after cancel()."""
        task: Task = self.task()
        self.assertFalse(task.cancelled)
        self.assertIsInstance(task, LocalTask)
        task.cancel()  # type: ignore[attr-defined]
        self.assertTrue(task.cancelled)
