"""Listening sockets: addresses, unix sockets, sockets of the host and sockets of systemd."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from fixtures import TempDir

from baremetal_interfaces import Deadline
from baremetal_sdk.config import APIConfig
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.http import HTTPServer, listen
from tests.fixtures.http_clients import receive
from tests.fixtures.sockets import PATIENCE, ServerTestCase

REQUEST = b"GET /here HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def has_ipv6() -> bool:
    """Return whether this machine has an IPv6 loopback."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


class TestAddresses(ServerTestCase):
    def _answer(self, address: tuple[str, int]) -> bytes:
        with socket.create_connection(address, timeout=PATIENCE) as sock:
            sock.sendall(REQUEST)
            return receive(sock)

    def test_several_addresses_are_served_on_one_port(self) -> None:
        """``host_ip`` is a list of addresses, separated by commas."""
        server = self.configured(host_ip="127.0.0.1, 127.0.0.2")
        for host in ("127.0.0.1", "127.0.0.2"):
            self.assertIn(b"200 OK", self._answer((host, server.port)))
            self.assertEqual((host, str(server.port)), (self.app.environ["SERVER_NAME"], self.app.environ["SERVER_PORT"]))
        self.assertRaises(ConnectionRefusedError, self._answer, ("127.0.0.3", server.port))

    def test_ipv6_addresses_are_served(self) -> None:
        """The URL has brackets. ``::`` alone also accepts IPv4; together with an IPv4 address it does not."""
        if not has_ipv6():
            self.skipTest("this machine has no IPv6")
        server = self.configured(host_ip="::1")
        self.assertEqual(f"http://[::1]:{server.port}", server.url)
        self.assertIn(b"200 OK", self._answer(("::1", server.port)))
        for hosts in ("::", "0.0.0.0,::"):
            everywhere = self.configured(host_ip=hosts)
            for host in ("::1", "127.0.0.1"):
                self.assertIn(b"200 OK", self._answer((host, everywhere.port)))

    def test_ipv6_addresses_may_stand_in_brackets(self) -> None:
        """An address in brackets is served like one without them, and the URL of the server has brackets."""
        if not has_ipv6():
            self.skipTest("this machine has no IPv6 loopback")
        server = self.configured(host_ip="[::1]")
        self.assertIn(b"200 OK", self._answer(("::1", server.port)))
        self.assertEqual(f"http://[::1]:{server.port}", server.url)

    def test_invalid_addresses_are_named(self) -> None:
        """Text that is no host name and no IP address is refused before any name lookup."""
        for host in ("http://127.0.0.1", "127.0.0.1:80", "[::1", "a b"):
            server = HTTPServer(self.app, dataclasses.replace(self.config, host_ip=host))
            self.assertIn("[api] host_ip", str(self.assertRaises(ConfigurationError, server.start)))

    def test_an_unavailable_address_is_named(self) -> None:
        """No other address stays open."""
        server = HTTPServer(self.app, dataclasses.replace(self.config, host_ip="127.0.0.1,192.0.2.1"))
        self.assertIn("192.0.2.1", str(self.assertRaises(ConfigurationError, server.start)))
        self.assertRaises(ConfigurationError, HTTPServer(self.app, dataclasses.replace(self.config, host_ip=" , ")).start)

    def test_a_port_can_be_shared(self) -> None:
        """Two servers can use one port only if both set ``reuse_port``."""
        first = self.configured(reuse_port=True)
        self.configured(reuse_port=True, port=first.port)
        self.assertRaises(ConfigurationError, HTTPServer(self.app, dataclasses.replace(self.config, port=first.port)).start)

    def test_a_loopback_only_application_is_not_served_publicly(self) -> None:
        """Loopback addresses and unix sockets are allowed for an application with the attribute ``loopback_only``."""
        self.app.loopback_only = True  # type: ignore[attr-defined]
        error = self.assertRaises(ConfigurationError, HTTPServer(self.app, APIConfig(port=0, host_ip="0.0.0.0")).start)
        for word in ("0.0.0.0", "auth_strategy", "allow_noauth_on_public_interfaces"):
            self.assertIn(word, str(error))
        self.assertIn(b"200 OK", self._answer(("127.0.0.2", self.configured(host_ip="127.0.0.2").port)))


class TestUnixSockets(ServerTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.path = str(Path(self.useFixture(TempDir()).path) / "api.sock")

    def _answer(self) -> bytes:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(PATIENCE)
            sock.connect(self.path)
            sock.sendall(REQUEST)
            return receive(sock)

    def test_a_unix_socket_is_served_and_removed_at_the_end(self) -> None:
        """The file has the configured mode, and the environment names the peer process."""
        server = self.configured(unix_socket=self.path, unix_socket_mode="0640", unix_socket_owner=None)
        self.assertIn(b"200 OK", self._answer())
        self.assertEqual((os.getpid(), os.getuid(), os.getgid()), self.app.environ["baremetal_sdk.peer_credentials"])
        self.assertEqual(0o640, stat.S_IMODE(os.stat(self.path).st_mode))
        self.assertEqual(f"http+unix://{self.path.replace('/', '%2F')}", server.url)
        server.stop(Deadline.after(PATIENCE))
        self.assertEqual([], os.listdir(os.path.dirname(self.path)))

    def test_the_url_of_a_unix_socket_contains_any_path(self) -> None:
        """Spaces and characters with a meaning in URLs are quoted in the URL and kept in the path."""
        path = f"{self.path} a?b#c%41"
        server = self.configured(unix_socket=path)
        self.assertEqual(path, unquote(server.url.removeprefix("http+unix://")))
        self.assertTrue(Path(path).exists())
        self.assertNotIn(" ", server.url)

    def test_the_socket_of_a_live_server_is_not_replaced(self) -> None:
        """The second server fails to start, and the first one continues."""
        self.configured(unix_socket=self.path)
        second = HTTPServer(self.app, dataclasses.replace(self.config, unix_socket=self.path))
        self.assertIn("listens there already", str(self.assertRaises(ConfigurationError, second.start)))
        self.assertIn(b"200 OK", self._answer())

    def test_the_socket_of_a_dead_server_is_replaced(self) -> None:
        """A file that is not a socket is never replaced."""
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(self.path)
        server = self.configured(unix_socket=self.path)
        self.assertIn(b"200 OK", self._answer())
        server.stop(Deadline.after(PATIENCE))
        Path(self.path).write_text("mine")
        wrong = HTTPServer(self.app, dataclasses.replace(self.config, unix_socket=self.path))
        self.assertIn("not a socket", str(self.assertRaises(ConfigurationError, wrong.start)))
        self.assertEqual("mine", Path(self.path).read_text())

    def test_the_replaced_file_of_another_server_is_not_removed(self) -> None:
        """A server removes only its own file."""
        first = self.configured(unix_socket=self.path)
        os.unlink(self.path)
        self.configured(unix_socket=self.path)
        first.stop(Deadline.after(PATIENCE))
        self.assertIn(b"200 OK", self._answer())

    def test_an_invalid_mode_or_owner_is_named(self) -> None:
        """No file is created."""
        for option, value in (("unix_socket_mode", "rw"), ("unix_socket_mode", "7777"), ("unix_socket_owner", "nobody-has-this")):
            wrong = HTTPServer(self.app, dataclasses.replace(self.config, unix_socket=self.path, **{option: value}))
            self.assertIn(f"[api] {option}", str(self.assertRaises(ConfigurationError, wrong.start)))
        self.assertEqual([], os.listdir(os.path.dirname(self.path)))


class TestSharedSockets(ServerTestCase):
    def test_a_client_between_two_servers_waits_for_the_second(self) -> None:
        """A shared socket loses no connection."""
        with listen(self.config) as listeners:
            first = HTTPServer(self.app, self.config, listeners)
            first.start()
            port = first.port
            self.assertTrue(first.stop(Deadline.after(PATIENCE)))
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as waiting:
                waiting.sendall(REQUEST)
                second = HTTPServer(self.app, self.config, listeners)
                second.start()
                self.addCleanup(second.stop, Deadline.after(PATIENCE))
                self.assertIn(b"200 OK", receive(waiting))

    def test_two_servers_on_one_socket_both_serve(self) -> None:
        """The old server can stop after the new one has started."""
        with listen(self.config) as listeners:
            servers = [HTTPServer(self.app, self.config, listeners) for _ in range(2)]
            for server in servers:
                server.start()
                self.addCleanup(server.stop, Deadline.after(PATIENCE))
            port = servers[0].port
            for leaving in (None, servers[0]):
                if leaving is not None:
                    leaving.stop(Deadline.after(PATIENCE))
                for _ in range(20):
                    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sock:
                        sock.sendall(REQUEST)
                        self.assertIn(b"200 OK", receive(sock))

    def test_sockets_of_systemd_are_found_by_their_name(self) -> None:
        """Passed descriptors start at 3 and belong to this process only, as described in sd_listen_fds(3)."""
        found = _run_activated({"LISTEN_FDNAMES": "other:api", "LISTEN_FDS": "2"}, "api")
        self.assertEqual([found["ports"][1]], found["found"])
        found = _run_activated({"LISTEN_FDNAMES": "", "LISTEN_FDS": "2"}, "all")
        self.assertEqual(found["ports"], found["found"])

    def test_a_missing_socket_of_systemd_is_named(self) -> None:
        """The error lists the sockets that were passed."""
        for environ in ({"LISTEN_FDNAMES": "other:api", "LISTEN_FDS": "2"}, {}):
            self.assertRegex(_run_activated(environ, "mine")["error"], r"systemd_socket.*'mine'")


_PROGRAM = """
import json, os, sys
for descriptor, copy in enumerate([os.dup(int(number)) for number in sys.argv[3:]], 3):
    os.dup2(copy, descriptor)
from baremetal_sdk.config import APIConfig
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.http import listen
environ = {**json.loads(sys.argv[1]), "LISTEN_PID": str(os.getpid())}
try:
    with listen(APIConfig(systemd_socket=sys.argv[2]), environ) as found:
        print(json.dumps({"found": [sock.getsockname()[1] for sock in found.sockets]}))
except ConfigurationError as exc:
    print(json.dumps({"error": str(exc)}))
"""


def _run_activated(environ: dict[str, str], name: str) -> dict[str, Any]:
    """Return the ports that a process finds if it starts with two listening sockets as descriptors 3 and 4."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    first, second = (sock.fileno() for sock in sockets)
    command = [sys.executable, "-c", _PROGRAM, json.dumps(environ), name, str(first), str(second)]
    try:
        result = subprocess.run(command, pass_fds=(first, second), capture_output=True, text=True, timeout=30)
    finally:
        ports = [sock.getsockname()[1] for sock in sockets]
        for sock in sockets:
            sock.close()
    assert result.returncode == 0, result.stderr
    return {"ports": ports, **json.loads(result.stdout)}
