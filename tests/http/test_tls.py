"""HTTPS: certificates, handshakes that take no thread for long, and what is refused."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

from cryptography import x509
from fixtures import TempDir

from baremetal_sdk.config import APIConfig
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.http import HTTPServer
from tests.http.certificates import write_certificate
from tests.http.sockets import PATIENCE, ServerTestCase


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
            request_timeout=0.5,
            handshake_timeout=0.5,
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
        """It holds a thread for as long as a connection may be silent, not for ever."""
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
