"""HTTPS: certificates, handshakes that take no thread for long, and what is refused."""

from __future__ import annotations

import dataclasses
import re
import socket
import ssl
import subprocess
import sys
from pathlib import Path

from cryptography import x509
from fixtures import FakeLogger, TempDir
from testtools import TestCase

from baremetal_interfaces import Deadline
from baremetal_sdk.api import APIServer
from baremetal_sdk.config import APIConfig, ConductorConfig
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.http import HTTPServer
from baremetal_sdk.http.tls import TLS
from tests.fixtures.authority import Authority, write_certificate
from tests.fixtures.http_clients import HELLO, connect_securely, receive, trusting_context
from tests.fixtures.sockets import PATIENCE, ServerTestCase
from tests.sources import ROOT


class TestHTTPS(ServerTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.useFixture(TempDir()).path)
        self.certificate, self.key = write_certificate(self.directory, "first")
        self.config = APIConfig(
            port=0,
            enable_ssl_api=True,
            cert_file=self.certificate,
            key_file=self.key,
            min_threads=1,
            max_threads=2,
            request_timeout=PATIENCE,
        )
        super().setUp()

    def _secured(self, **options: ssl.TLSVersion) -> ssl.SSLSocket:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        for name, value in options.items():
            setattr(context, name, value)
        raw = socket.create_connection(("127.0.0.1", self.server.port), timeout=PATIENCE)
        self.addCleanup(raw.close)
        return context.wrap_socket(raw)

    def _name(self) -> str:
        with self._secured() as secured:
            certificate = secured.getpeercert(binary_form=True)
        assert certificate is not None
        return str(x509.load_der_x509_certificate(certificate).subject.rfc4514_string())

    def test_requests_are_served_over_tls(self) -> None:
        """The application knows that it is HTTPS, and the connection is kept."""
        self.assertTrue(self.server.url.startswith("https://"))
        with self._secured() as secured:
            for _ in range(3):
                secured.sendall(b"GET /safe HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertIn(b"/safe https", secured.recv(65536))

    def test_silent_clients_do_not_hold_others_up(self) -> None:
        """Fifty clients that never begin their handshake cost nobody anything."""
        self.server = self.configured(request_timeout=PATIENCE * 6)
        silent = [self.client() for _ in range(50)]
        self.test_requests_are_served_over_tls()
        self.assertEqual(50, len(silent))

    def test_a_handshake_that_stops_in_the_middle_is_ended(self) -> None:
        """It is awaited for as long as the option says, not for ever."""
        self.server = self.configured(handshake_timeout=2.0)
        halted = [self.client().send(b"\x16\x03\x01\x02\x00\x01") for _ in range(2)]
        self.assertEqual({b""}, {client.rest() for client in halted})
        self.test_requests_are_served_over_tls()

    def test_a_client_without_tls_is_told(self) -> None:
        """Plain HTTP on this port is a misconfiguration that is easy to see."""
        self.assertIn(b"HTTPS", self.client().send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").rest())

    def test_old_versions_of_tls_are_refused(self) -> None:
        """TLS 1.2 is spoken, 1.1 is not."""
        with self._secured(maximum_version=ssl.TLSVersion.TLSv1_2) as secured:
            self.assertEqual("TLSv1.2", secured.version())
        self.assertRaises(
            (ssl.SSLError, ConnectionError),
            self._secured,
            minimum_version=ssl.TLSVersion.TLSv1,
            maximum_version=ssl.TLSVersion.TLSv1_1,
        )

    def test_a_new_certificate_is_taken_without_a_restart(self) -> None:
        """A file that cannot be used leaves the old one in place."""
        self.assertEqual("CN=first", self._name())
        certificate, key = write_certificate(self.directory, "second")
        Path(certificate).rename(self.certificate)
        error = self.assertRaises(ConfigurationError, self.server.reload_certificate)
        self.assertIn("cert_file", str(error))
        self.assertEqual("CN=first", self._name())
        Path(key).rename(self.key)
        self.server.reload_certificate()
        self.assertEqual("CN=second", self._name())

    def test_certificates_that_cannot_be_used_stop_the_start(self) -> None:
        """The option is named."""
        _, other = write_certificate(self.directory, "other")
        for certificate, key in ((None, None), ("/nowhere.pem", self.key), (self.certificate, other), (other, other)):
            config = APIConfig(port=0, enable_ssl_api=True, cert_file=certificate, key_file=key)
            self.assertIn("[api] cert_file", str(self.assertRaises(ConfigurationError, HTTPServer(self.app, config).start)))

    def test_files_that_change_are_read_again(self) -> None:
        """Once both are there and no longer change; a pair that cannot be used is said, and leaves the old one."""
        tls = TLS(self.config)
        first = tls.context
        self.assertFalse(tls.reload_if_changed())
        certificate, key = write_certificate(self.directory, "second")
        Path(certificate).rename(self.certificate)
        log = self.useFixture(FakeLogger())
        self.assertEqual([False, False, False], [tls.reload_if_changed() for _ in range(3)])
        self.assertEqual(1, log.output.count("the server keeps the old one"))
        self.assertIs(first, tls.context)
        Path(key).rename(self.key)
        self.assertEqual([False, True, False], [tls.reload_if_changed() for _ in range(3)])
        self.assertIsNot(first, tls.context)

    def test_a_reload_takes_over_what_belongs_to_tls(self) -> None:
        """The oldest version, too, for connections from then on; what cannot be used changes nothing."""
        self.server.reload(dataclasses.replace(self.config, tls_min_version="1.3"))
        self.assertRaises((ssl.SSLError, ConnectionError), self._secured, maximum_version=ssl.TLSVersion.TLSv1_2)
        self.assertRaises(ConfigurationError, self.server.reload, dataclasses.replace(self.config, cert_file="/nowhere"))
        self.assertEqual("CN=first", self._name())

    def test_a_conductor_has_the_certificate_read_again(self) -> None:
        """Its reload reaches the server that was added to it; what cannot be used is said, and changes nothing."""
        log = self.useFixture(FakeLogger())
        api = APIServer(self.app, self.config)
        api.start()
        self.addCleanup(api.stop, Deadline.after(PATIENCE))
        self.server = api  # type: ignore[assignment]
        for file, new in zip((self.certificate, self.key), write_certificate(self.directory, "second"), strict=True):
            Path(new).rename(file)
        api.reload(ConductorConfig(api=self.config))
        self.assertEqual("CN=second", self._name())
        Path(self.key).unlink()
        api.reload(ConductorConfig(api=self.config))
        self.assertEqual("CN=second", self._name())
        self.assertIn("cert_file", log.output)

    def test_ciphers_are_those_that_were_chosen(self) -> None:
        """For TLS 1.2; what OpenSSL does not know is refused by the option's name."""
        self.server = self.configured(tls_ciphers="ECDHE-ECDSA-AES256-GCM-SHA384")
        with self._secured(maximum_version=ssl.TLSVersion.TLSv1_2) as secured:
            self.assertEqual("ECDHE-ECDSA-AES256-GCM-SHA384", (secured.cipher() or ("",))[0])
        wrong = HTTPServer(self.app, dataclasses.replace(self.config, tls_ciphers="NONSENSE"))
        self.assertIn("[api] tls_ciphers", str(self.assertRaises(ConfigurationError, wrong.start)))

    def test_a_large_body_and_a_large_answer_go_through(self) -> None:
        """Records of TLS are put together, and what does not go at once goes later."""
        self.app.large = 5_000_000
        self.server = self.configured(max_request_body_size=4_000_000, request_timeout=PATIENCE)
        body = bytes(range(256)) * 12_000
        with self._secured() as secured:
            secured.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            self.assertTrue(receive(secured).endswith(b"/echo https " + body))
            for _ in range(2):
                secured.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertEqual(5_000_000, len(receive(secured).partition(b"\r\n\r\n")[2]))


class TestMemory(TestCase):
    def test_connections_leave_nothing_behind(self) -> None:
        """Neither those that end in order, with a word of both sides, nor those that are broken, nor handshakes that are."""
        directory = Path(self.useFixture(TempDir()).path)
        pair = write_certificate(directory, "localhost")
        command = [sys.executable, "-m", "benchmarks.http_attacks", "--serve", *pair]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        self.addCleanup(process.wait, PATIENCE)
        self.addCleanup(process.kill)
        assert process.stdout is not None
        with process.stdout:
            port = int(process.stdout.readline())
        self._connect(port, 300)
        before = _kibibytes(process.pid)
        self._connect(port, 1200)
        self.assertLess(_kibibytes(process.pid) - before, 2048)

    def _connect(self, port: int, count: int) -> None:
        context = trusting_context()
        for number in range(count):
            sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
            if number % 3 == 0:
                sock.sendall(HELLO[:100])
                sock.close()
                continue
            with context.wrap_socket(sock) as secured:
                secured.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertIn(b"200 OK", receive(secured))
                if number % 3 == 1:
                    secured.unwrap()


def _kibibytes(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0])


class TestClientCertificates(ServerTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.useFixture(TempDir()).path)
        certificate, key = write_certificate(self.directory, "server")
        self.authority = Authority("ours")
        self.config = dataclasses.replace(
            self.config, enable_ssl_api=True, cert_file=certificate, key_file=key, client_certificates="required",
            client_ca_file=self.authority.write(self.directory),
        )  # fmt: skip
        super().setUp()

    def _answered(self, server: HTTPServer, authority: Authority | None) -> bytes:
        context = trusting_context()
        if authority is not None:
            context.load_cert_chain(*authority.issue(self.directory, "Racks, Inc.", "alice"))
        with connect_securely(server, context) as sock:
            sock.sendall(b"GET /who HTTP/1.1\r\nHost: x\r\n\r\n")
            return receive(sock)

    def test_the_application_is_told_whom_a_certificate_names(self) -> None:
        """In the names that other servers use; nothing in a name can pass for another part of it."""
        self.assertIn(b"200 OK", self._answered(self.server, self.authority))
        self.assertEqual("SUCCESS", self.app.environ["SSL_CLIENT_VERIFY"])
        self.assertEqual("alice", self.app.environ["SSL_CLIENT_S_DN_CN"])
        self.assertEqual("CN=alice,O=Racks\\, Inc.", self.app.environ["SSL_CLIENT_S_DN"])

    def test_without_one_or_with_somebody_elses_there_is_no_service(self) -> None:
        """Where it is required."""
        for authority in (None, Authority("theirs")):
            self.assertRaises((ssl.SSLError, ConnectionError), self._answered, self.server, authority)
        self.assertEqual([], self.app.served)

    def test_where_it_is_optional_the_application_decides(self) -> None:
        """Without one it is told so; somebody else's is refused all the same."""
        server = self.configured(client_certificates="optional")
        self.assertIn(b"200 OK", self._answered(server, None))
        self.assertEqual("NONE", self.app.environ["SSL_CLIENT_VERIFY"])
        self.assertNotIn("SSL_CLIENT_S_DN", self.app.environ)
        self.assertRaises((ssl.SSLError, ConnectionError), self._answered, server, Authority("theirs"))

    def test_the_authorities_have_to_be_named(self) -> None:
        """Without them no certificate could be checked."""
        for path in (None, "/nowhere.pem"):
            wrong = HTTPServer(self.app, dataclasses.replace(self.config, client_ca_file=path))
            self.assertIn("[api] client_ca_file", str(self.assertRaises(ConfigurationError, wrong.start)))
