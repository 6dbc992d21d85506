"""Random requests to all routes of the API, built from the API's own route catalog."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from baremetal_sdk.api.framework.microversions import MAXIMUM
from baremetal_sdk.api.v1.catalog import routes
from benchmarks.fuzz import values

EVENT_STREAM = "/v1/events/stream"
"""Path whose response does not end. Only its head is read."""
_VERSIONS = ("latest", "", "1", "1.0", "2.1", "1.-1", "1.1, 1.2", "a.b", "1.٣", "LATEST", "1." + "9" * 5000)
_CONTENT_TYPES = ("application/json", "text/plain", "", "application/json; charset=utf-16", "multipart/form-data", "*/*")
_MANY_KEYS = b",".join(b'"%d":1' % number for number in range(100_000))
_RAW_BODIES = (
    b"", b"{", b"[" * 100_000, b'{"a":' * 5000 + b"1" + b"}" * 5000, b'{"extra": {"a": 1e999}}', b'{"name": "\\u0000"}',
    b'{"name": "\\ud800"}', b'{"name": "a", "name": "b"}', b'{"extra": {"a": %s}}' % (b"9" * 5000), b"\xff\xfe{}",
    b"\xef\xbb\xbf{}", b'{"extra": NaN}', b'[{"op": "add", "path": "/extra/~2", "value": 1}]', b'{"extra": {%s}}' % _MANY_KEYS,
    b'{"driver": "fake-hardware", "extra": {"a": ' + b"[" * 500 + b"]" * 500 + b"}}", b"null", b"0", b'"text"', b" " * 70_000,
)  # fmt: skip


@dataclass
class KnownIDs:
    """Identifiers of records that exist, by the name of a path argument, such as ``node``."""

    by_argument: dict[str, list[str]] = field(default_factory=dict)

    def choose(self, argument: str, chance: random.Random) -> str:
        """Return an existing identifier in two of three cases, otherwise another one."""
        known = self.by_argument.get(argument)
        if known and chance.random() < 0.67:
            return chance.choice(known)
        if chance.random() < 0.5:
            return str(uuid.UUID(int=chance.getrandbits(128), version=4))
        return values.choose_name(chance)


@dataclass(frozen=True)
class FuzzRequest:
    """One request. *label* is its method and the template of its path."""

    label: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None
    user: str | None

    @property
    def is_stream(self) -> bool:
        """True if the response does not end."""
        return self.path.partition("?")[0].rstrip("/") == EVENT_STREAM


class RequestBuilder:
    """Builder of random requests. Each route of the catalog has the same share."""

    def __init__(self, chance: random.Random, known: KnownIDs, users: Sequence[str]) -> None:
        self._chance = chance
        self._known = known
        self._users = users
        self.routes = routes()
        """The routes of the catalog."""

    def build(self) -> FuzzRequest:
        """Return the next request."""
        chance = self._chance
        route = chance.choice(self.routes)
        method = route["method"] if chance.random() < 0.95 else chance.choice(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"))
        path = "/".join(self._fill(segment) for segment in route["path"].split("/"))
        query = self._build_query(route["query"])
        body = self._build_body(route["body"]) if route["body"] is not None or chance.random() < 0.05 else None
        user = chance.choice(self._users) if chance.random() < 0.5 else "admin"
        return FuzzRequest(
            label=f"{method} {route['path']}",
            method=method,
            path=f"{path}?{query}" if query else path,
            headers=self._build_headers(method),
            body=body,
            user=user if chance.random() < 0.97 else None,
        )

    def _fill(self, segment: str) -> str:
        if not segment.startswith("{"):
            return segment
        return quote(self._known.choose(segment[1:-1], self._chance), safe="", errors="surrogatepass")

    def _build_query(self, declared: Sequence[Mapping[str, Any]]) -> str:
        chance, pairs = self._chance, []
        for parameter in declared:
            if chance.random() < 2 / (2 + len(declared)):
                value = values.build_value(parameter["schema"], chance)
                if chance.random() < 0.4:
                    value = values.choose_value(chance)
                pairs.append((parameter["name"], value if isinstance(value, str) else json.dumps(value)))
        if chance.random() < 0.05:
            pairs.append((values.choose_name(chance), "1"))
        if pairs and chance.random() < 0.05:
            pairs.append(pairs[0])
        return urlencode(pairs, errors="surrogatepass")[:7000]

    def _build_body(self, schema: Any) -> bytes:
        chance = self._chance
        if chance.random() < 0.08:
            return chance.choice(_RAW_BODIES)
        value = self._build_json(schema)
        if chance.random() < 0.6:
            value = values.mutate(value, chance)
        return json.dumps(value).encode()

    def _build_json(self, schema: Any) -> Any:
        if isinstance(schema, Mapping):
            return values.build_value(schema, self._chance)
        fields = {parameter["name"]: parameter for parameter in schema or ()}
        body = {
            name: values.build_value(parameter["schema"], self._chance)
            for name, parameter in fields.items()
            if parameter["required"] or self._chance.random() < 3 / (3 + len(fields))
        }
        if "driver" in fields:
            body["driver"] = "fake-hardware"
        for name in ("node_uuid", "node"):
            if name in fields and "node" in self._known.by_argument:
                body[name] = self._known.choose("node", self._chance)
        return body

    def _build_headers(self, method: str) -> dict[str, str]:
        chance, headers = self._chance, {}
        version = f"1.{chance.randrange(1, MAXIMUM + 3)}" if chance.random() < 0.3 else "latest"
        headers["X-OpenStack-Ironic-API-Version"] = version if chance.random() < 0.97 else chance.choice(_VERSIONS)
        if chance.random() < 0.02:
            headers["OpenStack-API-Version"] = "baremetal " + chance.choice(_VERSIONS)
        if method == "POST" and chance.random() < 0.3:
            headers["Idempotency-Key"] = chance.choice(("same", "other", "", "x" * 5000, str(chance.random())))
        if chance.random() < 0.03:
            headers["Content-Type"] = chance.choice(_CONTENT_TYPES)
        if chance.random() < 0.05:
            headers["If-None-Match"] = chance.choice(('"x"', "*", "W/", "x" * 3000))
        if chance.random() < 0.05:
            headers["Last-Event-ID"] = chance.choice(("0", "-1", "x", "9" * 5000))
        if chance.random() < 0.05:
            headers["X-OpenStack-Request-Id"] = chance.choice(("req-1", "x" * 3000, "a b"))
        return {name: value.encode("utf-8").decode("latin-1") for name, value in headers.items()}
