"""Hostile answers of a Redfish BMC, by name."""

from __future__ import annotations

import gzip
import json
import random
import struct
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from benchmarks.fuzz import values
from benchmarks.fuzz.hostile_bmc import Behavior, Exchange

_JSON = ("Content-Type", "application/json")
_ENDLESS = 10**7


def _repeat(start: bytes, part: bytes, pause_s: float = 0.0, count: int = _ENDLESS) -> Behavior:
    """Return the behavior that sends *start* and then *part* again and again."""

    def behave(exchange: Exchange) -> None:
        exchange.send(start)
        for _ in range(count):
            exchange.send(part)
            if exchange.stopping.wait(pause_s) if pause_s else exchange.stopping.is_set():
                return

    return behave


def _send(data: bytes) -> Behavior:
    return lambda exchange: exchange.send(data)


def _answer(body: bytes, status: int | None = 200, *headers: tuple[str, str]) -> Behavior:
    return lambda exchange: exchange.answer(body, status, *headers)


def _redirect(location: str) -> Behavior:
    def behave(exchange: Exchange) -> None:
        other = f"127.0.0.1:{exchange.other_port}"
        target = location.replace("RANDOM", str(exchange.chance.randrange(10**6))).replace("OTHER", other)
        exchange.answer(b"", 307, ("Location", target))

    return behave


def _wait(exchange: Exchange) -> None:
    exchange.stopping.wait(60.0)


def _reset(exchange: Exchange) -> None:
    exchange.connection.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SOL_SOCKET, SO_LINGER


def _drip(exchange: Exchange) -> None:
    body = exchange.body or b"{}"
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body))
    for position in range(len(body)):
        exchange.send(body[position : position + 1])
        if exchange.stopping.wait(0.4):
            return


def _truncate(exchange: Exchange) -> None:
    body = exchange.body or b"{}"
    exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (len(body) + 100) + body[: len(body) // 2])


def _answer_with(header: str, *texts: str) -> Behavior:
    """Return the behavior that adds an odd header to the right response."""
    return lambda exchange: exchange.answer(None, None, (header, exchange.chance.choice(texts)))


def _change_tree(change: Callable[[Any, random.Random], Any]) -> Behavior:
    """Return the behavior that changes the JSON value of the right response."""

    def behave(exchange: Exchange) -> None:
        try:
            value = json.loads(exchange.body)
        except ValueError:
            value = {}
        exchange.answer(json.dumps(change(value, exchange.chance)).encode())

    return behave


def _mutate_tree(value: Any, chance: random.Random) -> Any:
    for _ in range(chance.choice((1, 2, 5))):
        value = values.mutate(value, chance)
    return value


def _replace_leaves(value: Any, chance: random.Random, choose: Callable[[Any, random.Random], Any]) -> Any:
    if isinstance(value, dict):
        return {name: _replace_leaves(inner, chance, choose) for name, inner in value.items()}
    if isinstance(value, list):
        return [_replace_leaves(inner, chance, choose) for inner in value]
    return choose(value, chance)


def _replace_texts(text: str) -> Behavior:
    def choose(value: Any, chance: random.Random) -> Any:
        return text if isinstance(value, str) and not value.startswith("/redfish") else value

    return _change_tree(lambda value, chance: _replace_leaves(value, chance, choose))


def _replace_all(choose: Callable[[Any, random.Random], Any]) -> Behavior:
    return _change_tree(lambda value, chance: _replace_leaves(value, chance, choose))


def _add(**members: Any) -> Behavior:
    return _change_tree(lambda value, chance: {**value, **members} if isinstance(value, dict) else members)


def _link_to(path: str) -> Behavior:
    def choose(value: Any, chance: random.Random) -> Any:
        return path if isinstance(value, str) and value.startswith("/redfish") else value

    return _replace_all(choose)


def _compute(build: Callable[[], bytes], status: int = 200, *headers: tuple[str, str]) -> Behavior:
    """Return the behavior that answers with a large body, which is built once."""
    cached = cache(build)
    return lambda exchange: exchange.answer(cached(), status, *headers)


_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_CHUNKED = _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
_GZIP = ("Content-Encoding", "gzip")
_MESSAGES = [{"MessageId": 5, "Message": None}, 7, "x"]
_ERROR = {"error": {"code": 5, "message": {"a": "\n\x1b[31m"}, "@Message.ExtendedInfo": _MESSAGES}}

TRANSPORT: Mapping[str, Behavior] = {
    "close": lambda exchange: None,
    "reset": _reset,
    "silence": _wait,
    "slow body": _drip,
    "slow head": _repeat(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", 0.3),
    "endless head": _repeat(b"HTTP/1.1 200 OK\r\n", b"X-A: " + b"b" * 60_000 + b"\r\n"),
    "endless header line": _repeat(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 65_536),
    "endless status line": _repeat(b"HTTP/1.1 200 ", b"x" * 65_536),
    "endless body": _repeat(_HEAD + b"\r\n", b"[" * 65_536),
    "endless spaces": _repeat(_HEAD + b"\r\n", b" " * 65_536),
    "endless small chunks": _repeat(_CHUNKED, b"1\r\na\r\n" * 5000),
    "endless trailers": _repeat(_CHUNKED + b"2\r\n{}\r\n0\r\n", b"a: b\r\n" * 5000),
    "endless chunk extension": _repeat(_CHUNKED + b"2;", b"x" * 65_536),
    "huge chunk size": _send(_CHUNKED + b"f" * 5000 + b"\r\n{}"),
    "negative chunk size": _send(_CHUNKED + b"-5\r\n{}\r\n0\r\n\r\n"),
    "chunk without number": _send(_CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n"),
    "endless interim responses": _repeat(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "slow interim responses": _repeat(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.5),
    "truncated body": _truncate,
    "two lengths": _send(_HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x"),
    "negative length": _send(_HEAD + b"Content-Length: -5\r\n\r\n{}"),
    "huge length": _send(_HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n{}"),
    "length without number": _send(_HEAD + b"Content-Length: two\r\n\r\n{}"),
    "length and chunks": _send(_HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"),
    "no HTTP": _send(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "no status": _send(b"HTTP/1.1\r\n\r\n"),
    "status 999": _send(b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n"),
    "status with sign": _send(b"HTTP/1.1 -200 OK\r\nContent-Length: 2\r\n\r\n{}"),
    "header without colon": _send(b"HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 2\r\n\r\n{}"),
    "many cookies": _answer(b"{}", 200, *((("Set-Cookie", "a=" + "b" * 500),) * 90)),
    "redirect loop": _redirect("/redfish/v1/Systems/RANDOM"),
    "redirect to another host": _redirect("http://OTHER/redfish/v1/"),
    "redirect with user": _redirect("//user:pass@OTHER/redfish/v1/"),
    "redirect with line break": _redirect("/x%0d%0aX-Evil:%201"),
    "redirect to a file": _redirect("file:///etc/passwd"),
    "redirect with bytes": _send(b"HTTP/1.1 307 X\r\nLocation: /x y\tz\xff\x00\r\nContent-Length: 0\r\n\r\n"),
    "retry in a day": _answer(b"{}", 503, ("Retry-After", "99999")),
    "retry at no time": _answer(b"{}", 429, ("Retry-After", "x" * 2000)),
    "unauthorized": _answer(b"{}", 401),
    "forbidden": _answer(b"<html>", 403, ("Content-Type", "text/html")),
    "not found": _answer(b"", 404),
    "accepted without end": _answer(b"{}", 202, ("Location", "/redfish/v1/TaskService/Tasks/1")),
    "odd ETag": _answer_with("ETag", '"', "W/", "x" * 3000, '"\xff"', "*", '"a", "b"'),
    "odd token": _answer_with("X-Auth-Token", "", "x" * 5000, "\xff", "a b"),
    "odd location": _answer_with("Location", "", "http://[::1", "//", "x" * 5000, "/redfish/../../x"),
}  # fmt: skip
"""Behaviors of the connection and of HTTP."""
CONTENT: Mapping[str, Behavior] = {
    "broken gzip": _answer(b"\x1f\x8b\x08garbage", 200, _GZIP),
    "gzip bomb": _compute(lambda: gzip.compress(b'{"a":"' + b"A" * 100_000_000 + b'"}'), 200, _GZIP),
    "unknown encoding": _answer(b"{}", 200, ("Content-Encoding", "br, zstd")),
    "small objects": _compute(lambda: b'{"Members":[' + b'{"b":1},' * 1_900_000 + b"1]}"),
    "deep": _compute(lambda: b'{"a":' + b"[" * 500_000 + b"]" * 500_000 + b"}"),
    "900 levels": _compute(lambda: b'{"a":' + b"[" * 900 + b"]" * 900 + b"}"),
    "integer of 4,000,000 digits": _compute(lambda: b'{"MemorySummary":{"TotalSystemMemoryGiB":' + b"9" * 4_000_000 + b"}}"),
    "many keys": _compute(lambda: b"{" + b",".join(b'"%d":1' % number for number in range(100_000)) + b"}"),
    "many members": _compute(
        lambda: json.dumps({"Members": [{"@odata.id": f"/redfish/v1/Systems/{number}"} for number in range(50_000)]}).encode()
    ),
    "integers of 4,200 digits": _replace_all(lambda value, chance: int("9" * 4200) if isinstance(value, int) else value),
    "integers of 70 bits": _replace_all(lambda value, chance: 2**70 if isinstance(value, int) else value),
    "infinity": _replace_all(lambda value, chance: float("inf") if isinstance(value, int | float) else value),
    "not a number": _replace_all(lambda value, chance: float("nan")),
    "list": _answer(b"[1, 2]"),
    "null": _answer(b"null"),
    "number": _answer(b"5"),
    "empty body": _answer(b""),
    "HTML": _answer(b"<html>login</html>", 200, ("Content-Type", "text/html")),
    "invalid UTF-8": _answer(b'{"PowerState": "\xff\xfe"}'),
    "UTF-16": _answer('{"PowerState": "On"}'.encode("utf-16")),
    "NUL in texts": _replace_texts("a\0b"),
    "lone surrogates": _replace_texts("\ud800"),
    "control characters": _replace_texts("\n2026-01-01 forged\x1b[31m\r"),
    "long texts": _replace_texts("x" * 100_000),
    "empty texts": _replace_texts(""),
    "all null": _replace_all(lambda value, chance: None),
    "all lists": _replace_all(lambda value, chance: [value]),
    "all objects": _replace_all(lambda value, chance: {"a": value}),
    "all booleans": _replace_all(lambda value, chance: True),
    "links to themselves": _link_to("/redfish/v1/Systems"),
    "links to another host": _link_to("http://192.0.2.1/redfish/v1"),
    "links with odd characters": _link_to("/redfish/v1/a?b#c%zz d\u00e9/../x"),
    "endless pages": _add(**{"Members@odata.nextLink": "/redfish/v1/Systems?page=1"}),
    "error with wrong types": _answer(json.dumps(_ERROR).encode(), 400),
    "error with a long text": _answer(json.dumps({"error": {"message": "m" * 500_000}}).encode(), 500),
}  # fmt: skip
"""Behaviors of bodies."""
HANDSHAKE: Mapping[str, Behavior] = {
    "TLS: close": lambda exchange: None,
    "TLS: plain HTTP": _send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
    "TLS: garbage": _send(b"\x16\x03\x01\xff\xff" + b"\xff" * 70_000),
    "TLS: silence": _wait,
    "TLS: slow records": _repeat(b"\x16\x03\x03\x40\x00", b"\x02", 0.3),
    "TLS: alerts": _repeat(b"", b"\x15\x03\x03\x00\x02\x01\x00" * 100),
}
"""Behaviors of the TLS handshake."""


def select_behaviors(count: int) -> dict[str, Behavior]:
    """Return *count* behaviors: those above, from each kind in turn, then random mutations of the right answers."""
    kinds = [list(HANDSHAKE.items()), list(TRANSPORT.items()), list(CONTENT.items())]
    total = sum(map(len, kinds))
    ordered = [kind[index] for index in range(total) for kind in kinds if index < len(kind)]
    mutations = [(f"mutation {number}", _change_tree(_mutate_tree)) for number in range(max(5, count - total))]
    few = mutations[:5]
    return dict((ordered[: max(1, count - len(few))] + mutations)[:count])
