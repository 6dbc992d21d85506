"""``metald serve`` from the view of an operator: exit codes, messages and state directory."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any

from fixtures import TempDir
from testtools import TestCase

from metald.client import BareMetalClient
from metald.machine_lifecycle import FinishedTransition, MachineLifecycle
from metald.processes import Child
from metald.simulation import build_redfish_machine
from metald.state_directory import StateError, default_directory, lock_directory
from tests.fixtures.metald_service import READY_SECONDS, Service, metald


class ServingTest(TestCase):
    """A running service."""

    def test_the_service_answers_after_its_ready_line(self) -> None:
        """The ready line on standard output contains a URL that answers."""
        service = self.useFixture(Service())
        with urllib.request.urlopen(f"{service.url}/v1/", timeout=10.0) as answer:
            self.assertEqual(200, answer.status)

    def test_sigterm_ends_it_with_exit_code_0(self) -> None:
        """An orderly stop is a success."""
        service = self.useFixture(Service())
        self.assertEqual(0, service.child.stop())

    def test_sigint_ends_it_with_exit_code_0(self) -> None:
        """Ctrl-C is an orderly stop as well."""
        service = self.useFixture(Service())
        service.child.send(signal.SIGINT)
        self.assertEqual(0, service.child.wait(30.0))

    def test_a_stalled_log_reader_blocks_neither_changes_nor_the_stop(self) -> None:
        """With a pipe that nobody reads as standard error, changes are answered, and SIGTERM ends the process."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        state = self.useFixture(TempDir()).path
        command = [sys.executable, "-m", "metald", "serve", "--port", "0", "--state-dir", state]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=writer, text=True) as process:
            self.addCleanup(process.kill)
            os.close(writer)
            assert process.stdout is not None
            client = BareMetalClient(process.stdout.readline().removeprefix("metald ready: ").strip())
            for _ in range(300):
                client.create_node({"driver": "fake-hardware"})
            process.terminate()
            self.assertEqual(0, process.wait(60.0))

    def test_nodes_survive_a_restart(self) -> None:
        """A service that starts on the same state directory has the same nodes, including their secrets."""
        service = self.useFixture(Service())
        info = {"redfish_address": "https://192.0.2.1", "redfish_username": "u", "redfish_password": "hunter2"}
        service.client.create_node({"name": "kept", "driver": "redfish", "driver_info": info})
        self.assertEqual(0, service.child.stop())
        restarted = self.useFixture(Service(state=service.state))
        self.assertEqual({**info, "redfish_password": "******"}, restarted.client.get_node("kept")["driver_info"])

    def test_other_users_cannot_read_the_state(self) -> None:
        """Only the owner can read the state directory and the key, and the database has no plain-text credentials."""
        service = self.useFixture(Service())
        info = {"redfish_address": "https://192.0.2.1", "redfish_username": "u", "redfish_password": "hunter2-in-clear"}
        service.client.create_node({"name": "secret", "driver": "redfish", "driver_info": info})
        self.assertEqual(0o700, stat.S_IMODE(service.state.stat().st_mode))
        self.assertEqual(0o600, stat.S_IMODE((service.state / "secret.key").stat().st_mode))
        service.child.stop()
        for file in service.state.iterdir():
            self.assertNotIn(b"hunter2-in-clear", file.read_bytes(), file.name)
        self.assertNotIn("hunter2-in-clear", service.log)

    def test_the_log_contains_no_password_at_any_level(self) -> None:
        """Even the DEBUG log has no password, neither of a successful nor of a rejected BMC login."""
        bmc = [sys.executable, "-m", "baremetal_fake.redfish", "--username", "operator", "--password", "right-hunter2"]
        child = Child("bmc", bmc, Path(self.useFixture(TempDir()).path))
        self.addCleanup(child.stop)
        ready = json.loads(child.wait_for_line("", READY_SECONDS))
        service = self.useFixture(Service("--debug"))
        failed_steps = []
        for password in ("right-hunter2", "wrong-hunter2"):
            machine = build_redfish_machine(password.partition("-")[0], ready["url"], ready["systems"][0].rpartition("/")[2])
            machine.fields["driver_info"] |= {"redfish_username": "operator", "redfish_password": password}
            events: list[Any] = []
            MachineLifecycle(service.client, machine, "http://127.0.0.1:1/no.iso", events.append, threading.Event()).run()
            failures = [event for event in events if isinstance(event, FinishedTransition) and event.error]
            failed_steps.append([failure.step for failure in failures])
            self.assertNotIn("hunter2", str([failure.error for failure in failures]))
        self.assertEqual([["active"], ["manage"]], failed_steps)
        self.assertNotIn("hunter2", service.log)

    def test_the_command_line_overrides_the_configuration(self) -> None:
        """The options --host and --port override [api]."""
        directory = Path(self.useFixture(TempDir()).path)
        config = directory / "metald.conf"
        config.write_text("[api]\nhost_ip = 192.0.2.1\nport = 1\n", encoding="utf-8")
        service = self.useFixture(Service("--config-file", str(config), "--host", "127.0.0.1"))
        self.assertTrue(service.url.startswith("http://127.0.0.1:"), service.url)

    def test_sighup_applies_a_changed_configuration(self) -> None:
        """Reloadable options change. An invalid file is logged and changes nothing."""
        config = Path(self.useFixture(TempDir()).path) / "metald.conf"
        config.write_text("[conductor]\nsync_power_state_interval = 0\n", encoding="utf-8")
        service = self.useFixture(Service("--config-file", str(config)))
        config.write_text("[conductor]\nworkers_pool_size = many\n", encoding="utf-8")
        service.child.send(signal.SIGHUP)
        service.wait_for_log("[conductor] workers_pool_size")
        config.write_text("[DEFAULT]\ndebug = true\nretries = 3\n", encoding="utf-8")
        service.child.send(signal.SIGHUP)
        service.wait_for_log("[DEFAULT] retries is not an option of metald")
        self.assertEqual([], service.client.request("GET", "/v1/nodes")["nodes"])
        self.assertEqual(0, service.child.stop())

    def test_unknown_options_are_logged(self) -> None:
        """The service names each unknown option and starts nevertheless."""
        directory = Path(self.useFixture(TempDir()).path)
        config = directory / "ironic.conf"
        config.write_text("[DEFAULT]\ncontrol_exchange = ironic\n[conductor]\nclean_up = yes\n", encoding="utf-8")
        service = self.useFixture(Service("--config-file", str(config)))
        self.assertIn("[DEFAULT] control_exchange is not an option of metald", service.log)
        self.assertIn("[conductor] clean_up is not an option of metald", service.log)


class RefusalTest(TestCase):
    """Reasons for which the service does not start."""

    def setUp(self) -> None:
        super().setUp()
        self.directory = Path(self.useFixture(TempDir()).path)
        self.state = str(self.directory / "state")

    def write_config(self, text: str) -> str:
        """Write a configuration file and return its path."""
        path = self.directory / "metald.conf"
        path.write_text(text, encoding="utf-8")
        return str(path)

    def assert_refused(self, code: int, *words: str, arguments: tuple[str, ...] = ()) -> None:
        """The service ends with *code*. Standard error has all *words* and no traceback; standard output is empty."""
        ended = metald("serve", "--state-dir", self.state, *arguments)
        self.assertEqual(code, ended.returncode, ended.stderr)
        for word in words:
            self.assertIn(word, ended.stderr)
        self.assertNotIn("Traceback", ended.stderr)
        self.assertEqual("", ended.stdout)

    def test_a_second_process_with_the_same_state_is_refused(self) -> None:
        """The message names the process that holds the state directory."""
        service = self.useFixture(Service(state=Path(self.state)))
        self.assert_refused(1, f"process {service.child.pid}", self.state, arguments=("--port", "0"))

    def test_a_port_in_use_is_reported(self) -> None:
        """The message names the address."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = str(listener.getsockname()[1])
            self.assert_refused(1, port, "127.0.0.1", arguments=("--port", port))

    def test_a_missing_configuration_file_is_reported(self) -> None:
        """A missing file is a usage error: exit code 2."""
        self.assert_refused(2, "/nowhere/metald.conf", arguments=("--config-file", "/nowhere/metald.conf"))

    def test_an_invalid_value_is_reported_with_file_section_and_option(self) -> None:
        """The message names the option and the allowed values."""
        path = self.write_config("[api]\nport = 70000\n")
        self.assert_refused(2, path, "[api] port", "65535", arguments=("--config-file", path))

    def test_a_syntax_error_in_the_configuration_is_reported(self) -> None:
        """The message names the file."""
        path = self.write_config("[api\nport = 1\n")
        self.assert_refused(2, path, arguments=("--config-file", path))

    def test_a_missing_hardware_type_is_reported(self) -> None:
        """The start fails if an enabled hardware type is not installed."""
        path = self.write_config("[DEFAULT]\nenabled_hardware_types = nonesuch\n")
        self.assert_refused(2, "nonesuch", arguments=("--config-file", path, "--port", "0"))

    def test_an_invalid_port_is_a_usage_error(self) -> None:
        """The usage error names the allowed range."""
        for port in ("70000", "-1", "http", "८०"):
            self.assert_refused(2, "0 to 65535", arguments=("--port", port))

    def test_an_unusable_database_is_reported(self) -> None:
        """The message names the database as the reason."""
        path = self.write_config("[database]\nconnection = sqlite:////nowhere/at/all/metald.sqlite\n")
        self.assert_refused(1, "database", arguments=("--config-file", path, "--port", "0"))

    def test_a_state_directory_writable_by_others_is_refused(self) -> None:
        """Other users could replace the files with credentials."""
        os.mkdir(self.state)
        os.chmod(self.state, 0o777)
        self.assert_refused(1, self.state, "chmod", arguments=("--port", "0"))

    def test_a_state_directory_that_cannot_be_created_is_reported(self) -> None:
        """The message names the directory and the reason."""
        blocked = self.directory / "a-file"
        blocked.touch()
        self.state = str(blocked / "state")
        self.assert_refused(1, self.state, "Not a directory")


class StateDirectoryTest(TestCase):
    """The location and the lock of the state directory."""

    def test_the_default_follows_the_xdg_specification(self) -> None:
        """An absolute $XDG_STATE_HOME is used; a relative or empty value is ignored."""
        at_home = Path("/home/op/.local/state/metald")
        self.assertEqual(Path("/var/state/metald"), default_directory({"XDG_STATE_HOME": "/var/state"}))
        for value in ("state", ""):
            self.assertEqual(at_home, default_directory({"XDG_STATE_HOME": value, "HOME": "/home/op"}))
        self.assertEqual(at_home, default_directory({"HOME": "/home/op"}))

    def test_the_lock_is_released_at_the_end_of_the_block(self) -> None:
        """A lock file that is left behind does not matter."""
        directory = Path(self.useFixture(TempDir()).path) / "state"
        refused = self.assertRaisesRegex(StateError, f"process {os.getpid()} uses it")
        with lock_directory(directory), refused, lock_directory(directory):
            self.fail("two processes hold the lock")
        with lock_directory(directory) as state:
            self.assertEqual(directory, state)
