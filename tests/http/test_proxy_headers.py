"""Headers of proxies: applied for trusted proxies and removed for other clients."""

from __future__ import annotations

from typing import Any

from testtools import TestCase

from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.http.proxy_headers import ProxyHeaders

FORWARDED_HEADERS = {
    "HTTP_X_FORWARDED_FOR": "203.0.113.9, 198.51.100.7", "HTTP_X_FORWARDED_PROTO": "https",
    "HTTP_X_FORWARDED_HOST": "api.example:443", "HTTP_X_FORWARDED_PREFIX": "/baremetal", "HTTP_FORWARDED": "for=1.2.3.4",
}  # fmt: skip


class TestProxyHeaders(TestCase):
    def forward(
        self, peer: str = "10.0.0.1", *, trusted: tuple[str, ...] = ("10.0.0.0/8", "::1"), **headers: str
    ) -> dict[str, Any]:
        """Return the environment that the application gets."""
        found: dict[str, Any] = {}

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            found.update(environ)
            return []

        environ = {"REMOTE_ADDR": peer, "wsgi.url_scheme": "http", "HTTP_HOST": "inside", "SCRIPT_NAME": "", **headers}
        ProxyHeaders(app, trusted)(environ, lambda *_: None)  # type: ignore[arg-type]
        return found

    def test_headers_of_a_trusted_proxy_are_applied(self) -> None:
        """Address, scheme, host and prefix are in the WSGI variables."""
        environ = self.forward(**FORWARDED_HEADERS)
        self.assertEqual("198.51.100.7", environ["REMOTE_ADDR"])
        self.assertEqual("https", environ["wsgi.url_scheme"])
        self.assertEqual("api.example:443", environ["HTTP_HOST"])
        self.assertEqual("/baremetal", environ["SCRIPT_NAME"])

    def test_headers_of_other_clients_are_removed(self) -> None:
        """The application never sees them."""
        for peer in ("192.0.2.1", "", "garbage", "2001:db8::1"):
            environ = self.forward(peer, **FORWARDED_HEADERS)
            self.assertEqual((peer, "http", "inside"), (environ["REMOTE_ADDR"], environ["wsgi.url_scheme"], environ["HTTP_HOST"]))
            self.assertEqual([], [name for name in environ if "FORWARDED" in name])

    def test_a_chain_is_read_from_its_end(self) -> None:
        """Trusted proxies are skipped. Addresses in front of an untrusted address may be forged."""
        for chain, client in (
            ("203.0.113.9, 10.0.0.2, 10.0.0.3", "203.0.113.9"), ("10.0.0.9, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
            ("10.0.0.5", "10.0.0.5"), ("garbage", "10.0.0.1"), ("203.0.113.9, garbage", "10.0.0.1"), (", ,", "10.0.0.1"),
        ):  # fmt: skip
            self.assertEqual(client, self.forward(HTTP_X_FORWARDED_FOR=chain)["REMOTE_ADDR"], chain)

    def test_invalid_values_are_ignored(self) -> None:
        """They could get into links and redirects."""
        environ = self.forward(
            HTTP_X_FORWARDED_PROTO="javascript", HTTP_X_FORWARDED_HOST="a/b", HTTP_X_FORWARDED_PREFIX="//evil.example/x"
        )
        self.assertEqual(("http", "inside", ""), (environ["wsgi.url_scheme"], environ["HTTP_HOST"], environ["SCRIPT_NAME"]))

    def test_of_several_values_the_last_counts(self) -> None:
        """The nearest proxy wrote the last value."""
        self.assertEqual("https", self.forward(HTTP_X_FORWARDED_PROTO="http, https")["wsgi.url_scheme"])

    def test_peers_on_a_unix_socket_can_be_trusted(self) -> None:
        """Such a peer has no address."""
        self.assertEqual("198.51.100.7", self.forward("", trusted=("unix",), **FORWARDED_HEADERS)["REMOTE_ADDR"])

    def test_an_ipv4_mapped_address_matches_ipv4_networks(self) -> None:
        """A dual-stack socket reports IPv4 clients in this form."""
        self.assertEqual("198.51.100.7", self.forward("::ffff:10.0.0.1", **FORWARDED_HEADERS)["REMOTE_ADDR"])

    def test_an_invalid_network_is_named(self) -> None:
        """The error occurs at the start."""
        error = self.assertRaises(ConfigurationError, ProxyHeaders, lambda *_: [], ["proxy.example"])
        self.assertIn("[api] trusted_proxies: 'proxy.example'", str(error))
