"""Headers of proxies: believed from those that are ours, and dropped from anybody else."""

from __future__ import annotations

from typing import Any

from testtools import TestCase

from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.http.proxy_headers import ProxyHeaders

TOLD = {
    "HTTP_X_FORWARDED_FOR": "203.0.113.9, 198.51.100.7", "HTTP_X_FORWARDED_PROTO": "https",
    "HTTP_X_FORWARDED_HOST": "api.example:443", "HTTP_X_FORWARDED_PREFIX": "/baremetal", "HTTP_FORWARDED": "for=1.2.3.4",
}  # fmt: skip


class TestProxyHeaders(TestCase):
    def seen(self, peer: str = "10.0.0.1", *, trusted: tuple[str, ...] = ("10.0.0.0/8", "::1"), **headers: str) -> dict[str, Any]:
        """The environment that the application sees."""
        found: dict[str, Any] = {}

        def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
            found.update(environ)
            return []

        environ = {"REMOTE_ADDR": peer, "wsgi.url_scheme": "http", "HTTP_HOST": "inside", "SCRIPT_NAME": "", **headers}
        ProxyHeaders(app, trusted)(environ, lambda *_: None)  # type: ignore[arg-type]
        return found

    def test_a_trusted_proxy_tells_who_asked_and_for_what(self) -> None:
        """Address, scheme, host and prefix stand where WSGI has them."""
        seen = self.seen(**TOLD)
        self.assertEqual("198.51.100.7", seen["REMOTE_ADDR"])
        self.assertEqual(("https", "api.example:443"), (seen["wsgi.url_scheme"], seen["HTTP_HOST"]))
        self.assertEqual("/baremetal", seen["SCRIPT_NAME"])

    def test_anybody_else_tells_nothing(self) -> None:
        """Their headers are gone, so that nothing behind believes them."""
        for peer in ("192.0.2.1", "", "garbage", "2001:db8::1"):
            seen = self.seen(peer, **TOLD)
            self.assertEqual((peer, "http", "inside"), (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"], seen["HTTP_HOST"]))
            self.assertEqual([], [name for name in seen if "FORWARDED" in name])

    def test_a_chain_is_read_from_our_end(self) -> None:
        """Our own proxies are passed over; what stands before a stranger the stranger wrote."""
        for chain, client in (
            ("203.0.113.9, 10.0.0.2, 10.0.0.3", "203.0.113.9"), ("10.0.0.9, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
            ("10.0.0.5", "10.0.0.5"), ("garbage", "10.0.0.1"), ("203.0.113.9, garbage", "10.0.0.1"), (", ,", "10.0.0.1"),
        ):  # fmt: skip
            self.assertEqual(client, self.seen(HTTP_X_FORWARDED_FOR=chain)["REMOTE_ADDR"], chain)

    def test_values_that_are_none_are_not_believed(self) -> None:
        """They could be put into links and redirects."""
        seen = self.seen(
            HTTP_X_FORWARDED_PROTO="javascript", HTTP_X_FORWARDED_HOST="a/b", HTTP_X_FORWARDED_PREFIX="//evil.example/x"
        )
        self.assertEqual(("http", "inside", ""), (seen["wsgi.url_scheme"], seen["HTTP_HOST"], seen["SCRIPT_NAME"]))

    def test_of_several_values_the_last_counts(self) -> None:
        """It is the one of the proxy that is next to us."""
        self.assertEqual("https", self.seen(HTTP_X_FORWARDED_PROTO="http, https")["wsgi.url_scheme"])

    def test_who_uses_the_unix_socket_can_be_trusted(self) -> None:
        """Such a peer has no address."""
        self.assertEqual("198.51.100.7", self.seen("", trusted=("unix",), **TOLD)["REMOTE_ADDR"])

    def test_an_ipv4_address_inside_ipv6_is_that_address(self) -> None:
        """As a socket for both has it."""
        self.assertEqual("198.51.100.7", self.seen("::ffff:10.0.0.1", **TOLD)["REMOTE_ADDR"])

    def test_what_is_no_network_is_named(self) -> None:
        """At the start."""
        error = self.assertRaises(ConfigurationError, ProxyHeaders, lambda *_: [], ["proxy.example"])
        self.assertIn("[api] trusted_proxies: 'proxy.example'", str(error))
