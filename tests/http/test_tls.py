"""HTTPS: certificates, reloads, handshakes and client certificates."""

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
from tests.fixtures.certificates import Authority, write_certificate
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

    def _connect_tls(self, **options: ssl.TLSVersion) -> ssl.SSLSocket:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        for name, value in options.items():
            setattr(context, name, value)
        raw = socket.create_connection(("127.0.0.1", self.server.port), timeout=PATIENCE)
        self.addCleanup(raw.close)
        return context.wrap_socket(raw)

    def _read_subject(self) -> str:
        with self._connect_tls() as secured:
            certificate = secured.getpeercert(binary_form=True)
        assert certificate is not None
        return str(x509.load_der_x509_certificate(certificate).subject.rfc4514_string())

    def test_requests_are_served_over_tls(self) -> None:
        """The application sees the scheme https, and the connection is kept open."""
        self.assertTrue(self.server.url.startswith("https://"))
        with self._connect_tls() as secured:
            for _ in range(3):
                secured.sendall(b"GET /safe HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertIn(b"/safe https", secured.recv(65536))

    def test_silent_clients_delay_no_other_client(self) -> None:
        """Fifty clients never begin their handshake."""
        self.server = self.configured(request_timeout=PATIENCE * 6)
        silent = [self.client() for _ in range(50)]
        self.test_requests_are_served_over_tls()
        self.assertEqual(50, len(silent))

    def test_an_incomplete_handshake_times_out(self) -> None:
        """The timeout is that of the option."""
        self.server = self.configured(handshake_timeout=2.0)
        stalled = [self.client().send(b"\x16\x03\x01\x02\x00\x01") for _ in range(2)]
        self.assertEqual({b""}, {client.rest() for client in stalled})
        self.test_requests_are_served_over_tls()

    def test_plain_http_gets_an_explanation(self) -> None:
        """The response to plain HTTP names HTTPS."""
        self.assertIn(b"HTTPS", self.client().send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").rest())

    def test_old_versions_of_tls_are_rejected(self) -> None:
        """TLS 1.2 is accepted and 1.1 is not."""
        with self._connect_tls(maximum_version=ssl.TLSVersion.TLSv1_2) as secured:
            self.assertEqual("TLSv1.2", secured.version())
        self.assertRaises(
            (ssl.SSLError, ConnectionError),
            self._connect_tls,
            minimum_version=ssl.TLSVersion.TLSv1,
            maximum_version=ssl.TLSVersion.TLSv1_1,
        )

    def test_a_new_certificate_needs_no_restart(self) -> None:
        """If a file is invalid, the old certificate stays."""
        self.assertEqual("CN=first", self._read_subject())
        certificate, key = write_certificate(self.directory, "second")
        Path(certificate).rename(self.certificate)
        error = self.assertRaises(ConfigurationError, self.server.reload_certificate)
        self.assertIn("cert_file", str(error))
        self.assertEqual("CN=first", self._read_subject())
        Path(key).rename(self.key)
        self.server.reload_certificate()
        self.assertEqual("CN=second", self._read_subject())

    def test_an_invalid_certificate_prevents_the_start(self) -> None:
        """The error names the option."""
        _, other = write_certificate(self.directory, "other")
        for certificate, key in ((None, None), ("/nowhere.pem", self.key), (self.certificate, other), (other, other)):
            config = APIConfig(port=0, enable_ssl_api=True, cert_file=certificate, key_file=key)
            self.assertIn("[api] cert_file", str(self.assertRaises(ConfigurationError, HTTPServer(self.app, config).start)))

    def test_changed_files_are_reloaded(self) -> None:
        """Files are reloaded when they no longer change. An invalid pair is logged once and the old one stays."""
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

    def test_a_reload_applies_all_options_of_tls(self) -> None:
        """New connections get the new minimum version. If an option is invalid, nothing changes."""
        self.server.reload(dataclasses.replace(self.config, tls_min_version="1.3"))
        self.assertRaises((ssl.SSLError, ConnectionError), self._connect_tls, maximum_version=ssl.TLSVersion.TLSv1_2)
        self.assertRaises(ConfigurationError, self.server.reload, dataclasses.replace(self.config, cert_file="/nowhere"))
        self.assertEqual("CN=first", self._read_subject())

    def test_a_reload_of_the_conductor_reloads_the_certificate(self) -> None:
        """An invalid file is logged and changes nothing."""
        log = self.useFixture(FakeLogger())
        api = APIServer(self.app, self.config)
        api.start()
        self.addCleanup(api.stop, Deadline.after(PATIENCE))
        self.server = api  # type: ignore[assignment]
        for file, new in zip((self.certificate, self.key), write_certificate(self.directory, "second"), strict=True):
            Path(new).rename(file)
        api.reload(ConductorConfig(api=self.config))
        self.assertEqual("CN=second", self._read_subject())
        Path(self.key).unlink()
        api.reload(ConductorConfig(api=self.config))
        self.assertEqual("CN=second", self._read_subject())
        self.assertIn("cert_file", log.output)

    def test_ciphers_are_configurable(self) -> None:
        """The option applies to TLS 1.2. An unknown cipher is rejected with the name of the option."""
        self.server = self.configured(tls_ciphers="ECDHE-ECDSA-AES256-GCM-SHA384")
        with self._connect_tls(maximum_version=ssl.TLSVersion.TLSv1_2) as secured:
            self.assertEqual("ECDHE-ECDSA-AES256-GCM-SHA384", (secured.cipher() or ("",))[0])
        wrong = HTTPServer(self.app, dataclasses.replace(self.config, tls_ciphers="NONSENSE"))
        self.assertIn("[api] tls_ciphers", str(self.assertRaises(ConfigurationError, wrong.start)))

    def test_large_bodies_and_responses_are_complete(self) -> None:
        """They consist of many TLS records and do not fit into the socket buffers."""
        self.app.large = 5_000_000
        self.server = self.configured(max_request_body_size=4_000_000, request_timeout=PATIENCE)
        body = bytes(range(256)) * 12_000
        with self._connect_tls() as secured:
            secured.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            self.assertTrue(receive(secured).endswith(b"/echo https " + body))
            for _ in range(2):
                secured.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertEqual(5_000_000, len(receive(secured).partition(b"\r\n\r\n")[2]))


class TestMemory(TestCase):
    def test_connections_leak_no_memory(self) -> None:
        """This includes connections that both sides close, connections that break, and broken handshakes."""
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
        before = _read_rss_kib(process.pid)
        self._connect(port, 1200)
        self.assertLess(_read_rss_kib(process.pid) - before, 2048)

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


def _read_rss_kib(process: int) -> int:
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

    def _exchange(self, server: HTTPServer, authority: Authority | None) -> bytes:
        context = trusting_context()
        if authority is not None:
            context.load_cert_chain(*authority.issue(self.directory, "Racks, Inc.", "alice"))
        with connect_securely(server, context) as sock:
            sock.sendall(b"GET /who HTTP/1.1\r\nHost: x\r\n\r\n")
            return receive(sock)

    def test_the_application_gets_the_names_of_the_certificate(self) -> None:
        """The variables are those of other servers. Values are escaped, so that they cannot forge another attribute."""
        self.assertIn(b"200 OK", self._exchange(self.server, self.authority))
        self.assertEqual("SUCCESS", self.app.environ["SSL_CLIENT_VERIFY"])
        self.assertEqual("alice", self.app.environ["SSL_CLIENT_S_DN_CN"])
        self.assertEqual("CN=alice,O=Racks\\, Inc.", self.app.environ["SSL_CLIENT_S_DN"])

    def test_a_required_certificate_is_enforced(self) -> None:
        """Clients without a certificate or with one of another authority are rejected."""
        for authority in (None, Authority("theirs")):
            self.assertRaises((ssl.SSLError, ConnectionError), self._exchange, self.server, authority)
        self.assertEqual([], self.app.served)

    def test_an_optional_certificate_is_reported(self) -> None:
        """Without a certificate the application decides. A certificate of another authority is rejected."""
        server = self.configured(client_certificates="optional")
        self.assertIn(b"200 OK", self._exchange(server, None))
        self.assertEqual("NONE", self.app.environ["SSL_CLIENT_VERIFY"])
        self.assertNotIn("SSL_CLIENT_S_DN", self.app.environ)
        self.assertRaises((ssl.SSLError, ConnectionError), self._exchange, server, Authority("theirs"))

    def test_client_certificates_need_an_authority(self) -> None:
        """Without authorities no certificate could be verified."""
        for path in (None, "/nowhere.pem"):
            wrong = HTTPServer(self.app, dataclasses.replace(self.config, client_ca_file=path))
            self.assertIn("[api] client_ca_file", str(self.assertRaises(ConfigurationError, wrong.start)))
