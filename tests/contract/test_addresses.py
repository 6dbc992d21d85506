"""Hosts, ports and URLs in options, messages and requests, and the code that builds and parses them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from testtools import TestCase

from baremetal_interfaces import Endpoint
from baremetal_interfaces.addresses import (
    HostPort,
    build_url,
    format_netloc,
    get_host_port,
    get_url_path,
    is_http_url,
    is_loopback,
    parse_host,
    parse_host_port,
    split_url,
)
from tests.sources import Source, all_sources


class HostTest(TestCase):
    def test_ipv6_address_with_and_without_brackets(self) -> None:
        """Both forms name the same host, in one spelling, with or without a zone."""
        for text in ("2001:db8::1", "[2001:db8::1]", " [2001:0DB8:0::1] "):
            self.assertEqual("2001:db8::1", parse_host(text))
        for text in ("fe80::1%eth0", "[fe80::1%eth0]", "[fe80::1%25eth0]"):
            self.assertEqual("fe80::1%eth0", parse_host(text))
        for text in ("192.0.2.1", "bmc-1.example", "bmc_1", "bmc.example."):
            self.assertEqual(text, parse_host(text))

    def test_invalid_hosts_are_refused(self) -> None:
        """Text with characters that no host has, or with a port or an account, is no host."""
        for text in (
            "",
            "a b",
            "a/b",
            "a?b",
            "user@host",
            "host:80",
            "[::1]:80",
            "[::1",
            "::1]",
            "1:2:3",
            "fe80::1%",
            "fe80::1%a/b",
            "ä",
        ):
            self.assertRaises(ValueError, parse_host, text)

    def test_host_with_port(self) -> None:
        """A port follows a host, and brackets where the host is an IPv6 address."""
        for text, expected in (
            ("host", HostPort("host")),
            ("host:80", HostPort("host", 80)),
            ("::1", HostPort("::1")),
            ("[::1]", HostPort("::1")),
            ("[::1]:65535", HostPort("::1", 65535)),
            ("[fe80::1%25eth0]:80", HostPort("fe80::1%eth0", 80)),
        ):
            self.assertEqual(expected, parse_host_port(text))
        for text in ("host:", "host:0", "host:65536", "host:x", "host:-1", "host:٣", "[::1]80", "[::1]x:80", "host:99999999999"):
            self.assertRaises(ValueError, parse_host_port, text)

    def test_loopback(self) -> None:
        """A loopback address is found in each of its forms."""
        for text in ("127.0.0.1", "127.9.9.9", "::1", "[::1]", "::ffff:127.0.0.1", "localhost", " LocalHost. "):
            self.assertTrue(is_loopback(text), text)
        for text in ("0.0.0.0", "::", "[::]", "192.0.2.1", "fe80::1%lo", "localhost.example", "127.0.0.1.example", ""):
            self.assertFalse(is_loopback(text), text)


class URLTest(TestCase):
    def test_built_urls_are_parsed_to_the_same_parts(self) -> None:
        """A URL that is built from a host and a port contains both, also for an IPv6 address with a zone."""
        for host in ("host", "192.0.2.1", "::1", "fe80::1%eth0"):
            for port in (None, 8080):
                self.assertEqual(HostPort(host, port), get_host_port(split_url(build_url("http", host, port, "/a%20b"))))
        self.assertEqual("https://[fe80::1%25eth0]:8443/a", build_url("https", "fe80::1%eth0", 8443, "/a"))
        self.assertEqual("[::1]:80", format_netloc("::1", 80))

    def test_invalid_urls_raise_value_error(self) -> None:
        """A URL that cannot be taken apart raises ValueError, and tests and paths of URLs do not raise at all."""
        for text in ("http://[", "http://[::1", "http://[zz]/", "http://host:port/", "http://host:0/", "http://host:99999/"):
            self.assertRaises(ValueError, split_url, text)
            self.assertFalse(is_http_url(text))
        self.assertIsNone(get_url_path("http://[/a"))
        self.assertEqual("/a", get_url_path("http://host/a?b#c"))
        self.assertFalse(is_http_url("http:///a"))
        self.assertTrue(is_http_url("http://user:pw@[::1]:80/a"))

    def test_text_of_an_endpoint(self) -> None:
        """The text of an endpoint is a URL, or host and port without a scheme."""
        self.assertEqual("https://[2001:db8::1]:8443", str(Endpoint("https", "2001:db8::1", 8443)))
        self.assertEqual("[2001:db8::1]", str(Endpoint("", "2001:db8::1")))
        self.assertEqual("ipmi://bmc:623", str(Endpoint("ipmi", "bmc", 623)))


class SourcesTest(TestCase):
    def test_urls_are_built_by_functions(self) -> None:
        """No f-string puts a host, a port or a path that can have any value into a URL.

        A constant host with a port is allowed: brackets and quoting cannot be missing there.
        """
        found = [f"{source.shown}:{line}" for source in all_sources() for line in _find_built_urls(source)]
        self.assertEqual([], found)

    def test_the_search_finds_built_urls(self) -> None:
        """The search finds hosts and files behind a scheme, and hosts in front of a port, but no constant host."""
        for text in (
            'f"http://{host}:80"',
            'f"{scheme}://{host}"',
            'f"sqlite:///{path}"',
            'f"[{host}]"',
            'f"{self.host}:{port}"',
        ):
            self.assertEqual([1], list(_find_in(ast.parse(text))), text)
        for text in ('f"http://127.0.0.1:{port}"', 'f"[{section}] option"', 'f"{name}: {value}"', 'f"{host}: refused"'):
            self.assertEqual([], list(_find_in(ast.parse(text))), text)


_HOST_NAMES = ("host", "hostname", "address", "addr", "ip")


def _find_built_urls(source: Source) -> Iterator[int]:
    if source.module not in ("baremetal_interfaces.addresses", "baremetal_sdk.store.sqlite_url"):
        yield from _find_in(source.tree)


def _find_in(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) and _is_built_url(node.values):
            yield node.lineno


def _is_built_url(parts: list[ast.expr]) -> bool:
    texts = [part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else None for part in parts]
    for before, part, after in zip([None, *texts], parts, [*texts[1:], None], strict=False):
        if not isinstance(part, ast.FormattedValue):
            continue
        name = ast.unparse(part.value).rpartition(".")[2].removesuffix("()")
        is_host = name.lower() in _HOST_NAMES
        if (before or "").endswith(("://", "sqlite:///")):
            return True
        if is_host and ((before or "").endswith("[") and (after or "").startswith("]")):
            return True
        if is_host and (after or "") == ":" and parts[-1] is not part:
            return True
    return False
