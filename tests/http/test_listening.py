"""Where a server listens: addresses, unix sockets, and sockets that were handed in."""

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

from fixtures import TempDir

from baremetal_interfaces import Deadline
from baremetal_sdk.config import APIConfig
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.http import HTTPServer, listen
from tests.fixtures.http_clients import receive
from tests.fixtures.sockets import PATIENCE, ServerTestCase

REQUEST = b"GET /here HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def has_ipv6() -> bool:
    """Whether this machine has an IPv6 loopback."""
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
        """They stand in host_ip with commas between them."""
        server = self.configured(host_ip="127.0.0.1, 127.0.0.2")
        for host in ("127.0.0.1", "127.0.0.2"):
            self.assertIn(b"200 OK", self._answer((host, server.port)))
            self.assertEqual((host, str(server.port)), (self.app.environ["SERVER_NAME"], self.app.environ["SERVER_PORT"]))
        self.assertRaises(ConnectionRefusedError, self._answer, ("127.0.0.3", server.port))

    def test_ipv6_is_an_address_like_any_other(self) -> None:
        """Its URL has brackets; :: alone takes IPv4 as well, and beside an address of IPv4 it does not."""
        if not has_ipv6():
            self.skipTest("this machine has no IPv6")
        server = self.configured(host_ip="::1")
        self.assertEqual(f"http://[::1]:{server.port}", server.url)
        self.assertIn(b"200 OK", self._answer(("::1", server.port)))
        for hosts in ("::", "0.0.0.0,::"):
            everywhere = self.configured(host_ip=hosts)
            for host in ("::1", "127.0.0.1"):
                self.assertIn(b"200 OK", self._answer((host, everywhere.port)))

    def test_an_address_that_cannot_be_had_leaves_none_open(self) -> None:
        """The error names it."""
        server = HTTPServer(self.app, dataclasses.replace(self.config, host_ip="127.0.0.1,192.0.2.1"))
        self.assertIn("192.0.2.1", str(self.assertRaises(ConfigurationError, server.start)))
        self.assertRaises(ConfigurationError, HTTPServer(self.app, dataclasses.replace(self.config, host_ip=" , ")).start)

    def test_a_port_can_be_shared(self) -> None:
        """With reuse_port, and only with it."""
        first = self.configured(reuse_port=True)
        self.configured(reuse_port=True, port=first.port)
        self.assertRaises(ConfigurationError, HTTPServer(self.app, dataclasses.replace(self.config, port=first.port)).start)

    def test_what_is_for_this_machine_alone_is_not_served_to_others(self) -> None:
        """An application says so with an attribute; loopback and unix sockets are this machine."""
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
        """It has the mode that was asked for; the application is told who is at the other end."""
        server = self.configured(unix_socket=self.path, unix_socket_mode="0640", unix_socket_owner=None)
        self.assertIn(b"200 OK", self._answer())
        self.assertEqual((os.getpid(), os.getuid(), os.getgid()), self.app.environ["baremetal_sdk.peer_credentials"])
        self.assertEqual(0o640, stat.S_IMODE(os.stat(self.path).st_mode))
        self.assertEqual(f"http+unix://{self.path.replace('/', '%2F')}", server.url)
        server.stop(Deadline.after(PATIENCE))
        self.assertEqual([], os.listdir(os.path.dirname(self.path)))

    def test_a_live_server_is_not_robbed_of_its_socket(self) -> None:
        """A second one does not start, and the first goes on."""
        self.configured(unix_socket=self.path)
        second = HTTPServer(self.app, dataclasses.replace(self.config, unix_socket=self.path))
        self.assertIn("listens there already", str(self.assertRaises(ConfigurationError, second.start)))
        self.assertIn(b"200 OK", self._answer())

    def test_what_a_dead_server_left_behind_is_replaced(self) -> None:
        """A file on which nobody listens is no server; one that is no socket is somebody's."""
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(self.path)
        server = self.configured(unix_socket=self.path)
        self.assertIn(b"200 OK", self._answer())
        server.stop(Deadline.after(PATIENCE))
        Path(self.path).write_text("mine")
        wrong = HTTPServer(self.app, dataclasses.replace(self.config, unix_socket=self.path))
        self.assertIn("not a socket", str(self.assertRaises(ConfigurationError, wrong.start)))
        self.assertEqual("mine", Path(self.path).read_text())

    def test_a_socket_that_somebody_else_made_in_the_meantime_is_left(self) -> None:
        """Only our own file is removed."""
        first = self.configured(unix_socket=self.path)
        os.unlink(self.path)
        self.configured(unix_socket=self.path)
        first.stop(Deadline.after(PATIENCE))
        self.assertIn(b"200 OK", self._answer())

    def test_mode_and_owner_that_are_none_are_named(self) -> None:
        """Nothing is made then."""
        for option, value in (("unix_socket_mode", "rw"), ("unix_socket_mode", "7777"), ("unix_socket_owner", "nobody-has-this")):
            wrong = HTTPServer(self.app, dataclasses.replace(self.config, unix_socket=self.path, **{option: value}))
            self.assertIn(f"[api] {option}", str(self.assertRaises(ConfigurationError, wrong.start)))
        self.assertEqual([], os.listdir(os.path.dirname(self.path)))


class TestHandedIn(ServerTestCase):
    def test_what_connects_between_two_servers_waits_for_the_second(self) -> None:
        """A socket that is handed on loses nothing."""
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
        """The old one can go once the new one has come."""
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
        """As sd_listen_fds(3) describes: from descriptor 3 on, for this process alone."""
        found = _activated({"LISTEN_FDNAMES": "other:api", "LISTEN_FDS": "2"}, "api")
        self.assertEqual([found["ports"][1]], found["found"])
        found = _activated({"LISTEN_FDNAMES": "", "LISTEN_FDS": "2"}, "all")
        self.assertEqual(found["ports"], found["found"])

    def test_sockets_that_systemd_did_not_pass_are_missed(self) -> None:
        """The error says what was passed."""
        for environ in ({"LISTEN_FDNAMES": "other:api", "LISTEN_FDS": "2"}, {}):
            self.assertRegex(_activated(environ, "mine")["error"], r"systemd_socket.*'mine'")


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


def _activated(environ: dict[str, str], name: str) -> dict[str, Any]:
    """What a process finds that was started with two listening sockets as its descriptors 3 and 4."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    first, second = (sock.fileno() for sock in sockets)
    command = [sys.executable, "-c", _PROGRAM, json.dumps(environ), name, str(first), str(second)]
    try:
        ran = subprocess.run(command, pass_fds=(first, second), capture_output=True, text=True, timeout=30)
    finally:
        ports = [sock.getsockname()[1] for sock in sockets]
        for sock in sockets:
            sock.close()
    assert ran.returncode == 0, ran.stderr
    return {"ports": ports, **json.loads(ran.stdout)}
