"""``metald serve``, as an operator meets it: by its exit codes, its messages, and what is left in the state directory."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any

from fixtures import TempDir
from testtools import TestCase

from metald.journey import Journey, Transition
from metald.processes import Child
from metald.simulation import redfish_machine
from metald.state import StateError, default_directory, held
from tests.app.service import READY_SECONDS, Service, metald


class ServingTest(TestCase):
    """A service that runs."""

    def test_it_answers_once_it_says_that_it_is_ready(self) -> None:
        """The ready line on standard output holds a URL that answers."""
        service = self.useFixture(Service())
        with urllib.request.urlopen(f"{service.url}/v1/", timeout=10.0) as answer:
            self.assertEqual(200, answer.status)

    def test_sigterm_ends_it_with_exit_code_0(self) -> None:
        """An orderly end is a success."""
        service = self.useFixture(Service())
        self.assertEqual(0, service.child.stop())

    def test_sigint_ends_it_with_exit_code_0(self) -> None:
        """Ctrl-C is an orderly end, too."""
        service = self.useFixture(Service())
        service.child.send(signal.SIGINT)
        self.assertEqual(0, service.child.wait(30.0))

    def test_nodes_outlive_a_restart(self) -> None:
        """What was enrolled is there after a stop and a start on the same state directory, secrets included."""
        service = self.useFixture(Service())
        info = {"redfish_address": "https://192.0.2.1", "redfish_username": "u", "redfish_password": "hunter2"}
        service.client.create_node({"name": "kept", "driver": "redfish", "driver_info": info})
        self.assertEqual(0, service.child.stop())
        again = self.useFixture(Service(state=service.state))
        self.assertEqual({**info, "redfish_password": "******"}, again.client.node("kept")["driver_info"])

    def test_nobody_else_can_read_its_state(self) -> None:
        """The state directory and the key in it are for their owner alone, and the database holds no credential as text."""
        service = self.useFixture(Service())
        info = {"redfish_address": "https://192.0.2.1", "redfish_username": "u", "redfish_password": "hunter2-in-clear"}
        service.client.create_node({"name": "secret", "driver": "redfish", "driver_info": info})
        self.assertEqual(0o700, stat.S_IMODE(service.state.stat().st_mode))
        self.assertEqual(0o600, stat.S_IMODE((service.state / "secret.key").stat().st_mode))
        service.child.stop()
        for file in service.state.iterdir():
            self.assertNotIn(b"hunter2-in-clear", file.read_bytes(), file.name)
        self.assertNotIn("hunter2-in-clear", service.log)

    def test_a_password_is_in_no_line_of_the_log_at_any_level(self) -> None:
        """Not even at DEBUG, with a BMC that is logged in to and one that refuses the login."""
        bmc = [sys.executable, "-m", "baremetal_fake.redfish", "--username", "operator", "--password", "right-hunter2"]
        child = Child("bmc", bmc, Path(self.useFixture(TempDir()).path))
        self.addCleanup(child.stop)
        said = json.loads(child.wait_for_line("", READY_SECONDS))
        service = self.useFixture(Service("--debug"))
        ends = []
        for password in ("right-hunter2", "wrong-hunter2"):
            machine = redfish_machine(password.partition("-")[0], said["url"], said["systems"][0].rpartition("/")[2])
            machine.fields["driver_info"] |= {"redfish_username": "operator", "redfish_password": password}
            heard: list[Any] = []
            Journey(service.client, machine, "http://127.0.0.1:1/no.iso", heard.append, threading.Event()).run()
            ends.append([one.step for one in heard if isinstance(one, Transition) and one.error])
            self.assertNotIn("hunter2", str([one.error for one in heard if isinstance(one, Transition)]))
        self.assertEqual([["active"], ["manage"]], ends)
        self.assertNotIn("hunter2", service.log)

    def test_the_command_line_overrides_the_configuration(self) -> None:
        """--host and --port win over [api]."""
        directory = Path(self.useFixture(TempDir()).path)
        config = directory / "metald.conf"
        config.write_text("[api]\nhost_ip = 192.0.2.1\nport = 1\n", encoding="utf-8")
        service = self.useFixture(Service("--config-file", str(config), "--host", "127.0.0.1"))
        self.assertTrue(service.url.startswith("http://127.0.0.1:"), service.url)

    def test_sighup_takes_over_a_changed_configuration(self) -> None:
        """What can change in place does; a file that is wrong by then is said, and changes nothing."""
        config = Path(self.useFixture(TempDir()).path) / "metald.conf"
        config.write_text("[conductor]\nsync_power_state_interval = 0\n", encoding="utf-8")
        service = self.useFixture(Service("--config-file", str(config)))
        config.write_text("[conductor]\nworkers_pool_size = many\n", encoding="utf-8")
        service.child.send(signal.SIGHUP)
        service.wait_for_log("[conductor] workers_pool_size")
        config.write_text("[DEFAULT]\ndebug = true\nretries = 3\n", encoding="utf-8")
        service.child.send(signal.SIGHUP)
        service.wait_for_log("[DEFAULT] retries has no meaning here")
        self.assertEqual([], service.client.request("GET", "/v1/nodes")["nodes"])
        self.assertEqual(0, service.child.stop())

    def test_options_without_a_meaning_are_said(self) -> None:
        """An option that is known elsewhere and not here is named, and does not keep it from serving."""
        directory = Path(self.useFixture(TempDir()).path)
        config = directory / "ironic.conf"
        config.write_text("[DEFAULT]\ncontrol_exchange = ironic\n[conductor]\nclean_up = yes\n", encoding="utf-8")
        service = self.useFixture(Service("--config-file", str(config)))
        self.assertIn("[DEFAULT] control_exchange has no meaning here", service.log)
        self.assertIn("[conductor] clean_up has no meaning here", service.log)


class RefusalTest(TestCase):
    """What keeps it from serving."""

    def setUp(self) -> None:
        super().setUp()
        self.directory = Path(self.useFixture(TempDir()).path)
        self.state = str(self.directory / "state")

    def configured(self, text: str) -> str:
        """Write a configuration file."""
        path = self.directory / "metald.conf"
        path.write_text(text, encoding="utf-8")
        return str(path)

    def assert_refused(self, code: int, *words: str, arguments: tuple[str, ...] = ()) -> None:
        """It ends with *code*, standard error has all *words* and no traceback, standard output nothing."""
        ended = metald("serve", "--state-dir", self.state, *arguments)
        self.assertEqual(code, ended.returncode, ended.stderr)
        for word in words:
            self.assertIn(word, ended.stderr)
        self.assertNotIn("Traceback", ended.stderr)
        self.assertEqual("", ended.stdout)

    def test_a_second_one_on_the_same_state_is_refused(self) -> None:
        """The message names the process that holds the state directory."""
        service = self.useFixture(Service(state=Path(self.state)))
        self.assert_refused(1, f"process {service.child.pid}", self.state, arguments=("--port", "0"))

    def test_a_port_that_is_taken_is_a_reason(self) -> None:
        """The message names the address, and nothing is left half started."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            self.assert_refused(1, port, "127.0.0.1", arguments=("--port", port))

    def test_a_configuration_file_that_is_not_there_is_named(self) -> None:
        """A missing file is a mistake of the command line: exit code 2."""
        self.assert_refused(2, "/nowhere/metald.conf", arguments=("--config-file", "/nowhere/metald.conf"))

    def test_a_value_that_is_not_allowed_is_named_with_file_section_and_option(self) -> None:
        """Who reads the message knows what to change."""
        path = self.configured("[api]\nport = 70000\n")
        self.assert_refused(2, path, "[api] port", "65535", arguments=("--config-file", path))

    def test_a_file_that_is_no_configuration_is_named(self) -> None:
        """A syntax error has its file and line."""
        path = self.configured("[api\nport = 1\n")
        self.assert_refused(2, path, arguments=("--config-file", path))

    def test_a_hardware_type_that_is_not_installed_is_named(self) -> None:
        """What is asked for and not there is said at start, not at the first node."""
        path = self.configured("[DEFAULT]\nenabled_hardware_types = nonesuch\n")
        self.assert_refused(2, "nonesuch", arguments=("--config-file", path, "--port", "0"))

    def test_a_port_that_is_no_port_is_a_mistake_of_the_command_line(self) -> None:
        """argparse says what is allowed."""
        for port in ("70000", "-1", "http", "८०"):
            self.assert_refused(2, "0 to 65535", arguments=("--port", port))

    def test_a_database_that_cannot_be_opened_is_a_reason(self) -> None:
        """The message names the trouble with it."""
        path = self.configured("[database]\nconnection = sqlite:////nowhere/at/all/metald.sqlite\n")
        self.assert_refused(1, "database", arguments=("--config-file", path, "--port", "0"))

    def test_a_state_directory_that_others_can_write_to_is_refused(self) -> None:
        """Credentials lie there: nobody else may put a file of theirs in place of ours."""
        os.mkdir(self.state)
        os.chmod(self.state, 0o777)
        self.assert_refused(1, self.state, "chmod", arguments=("--port", "0"))

    def test_a_state_directory_that_cannot_be_made_is_refused(self) -> None:
        """The message names the directory and the reason."""
        blocked = self.directory / "a-file"
        blocked.touch()
        self.state = str(blocked / "state")
        self.assert_refused(1, self.state, "Not a directory")


class StateDirectoryTest(TestCase):
    """Where the state lies, and who may use it."""

    def test_the_default_follows_the_base_directory_specification(self) -> None:
        """An absolute $XDG_STATE_HOME is used; a relative or empty one is not."""
        at_home = Path.home() / ".local" / "state" / "metald"
        self.assertEqual(Path("/var/state/metald"), default_directory({"XDG_STATE_HOME": "/var/state"}))
        self.assertEqual(at_home, default_directory({"XDG_STATE_HOME": "state"}))
        self.assertEqual(at_home, default_directory({"XDG_STATE_HOME": ""}))
        self.assertEqual(at_home, default_directory({}))

    def test_it_is_free_again_once_its_holder_is_gone(self) -> None:
        """The lock ends with the block, whatever file is left."""
        directory = Path(self.useFixture(TempDir()).path) / "state"
        with held(directory), self.assertRaisesRegex(StateError, f"process {os.getpid()} serves"), held(directory):
            self.fail("two holders")
        with held(directory) as state:
            self.assertEqual(directory, state)
