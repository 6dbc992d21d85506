"""Which methods can be called from outside: those that say so, and no others."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from baremetal_interfaces import Problem
from baremetal_sdk.errors import InvalidArguments, UnknownRPCMethod, UnsupportedRPCVersion

F = TypeVar("F", bound=Callable[..., Any])
_ATTRIBUTE = "__baremetal_rpc__"
_VERSION = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})", re.ASCII)


def rpc_method(version: str) -> Callable[[F], F]:
    """Register a method of a service under its name; *version* is the one of the interface that it was last changed in.

    A minor version adds what older callers need not know, such as an argument with a default; a major one breaks them.
    """
    parse_version(version)

    def declare(method: F) -> F:
        setattr(method, _ATTRIBUTE, version)
        return method

    return declare


def parse_version(version: str) -> tuple[int, int]:
    """Major and minor number. Raises ``ValueError``."""
    found = _VERSION.fullmatch(version)
    if found is None:
        raise ValueError(f"{version[:32]!r} is not a version; one is written as 1.0")
    return int(found[1]), int(found[2])


@dataclass(frozen=True)
class RPCMethod:
    """A registered method."""

    name: str
    version: str
    function: Callable[..., Any]
    signature: inspect.Signature = field(repr=False)

    def check(self, arguments: Mapping[str, Any]) -> None:
        """Raise ``InvalidArguments`` when the method cannot be called with these; nothing has run then."""
        try:
            self.signature.bind(**arguments)
        except TypeError as exc:
            parameters = self.signature.parameters.values()
            needed = ", ".join(one.name for one in parameters if one.default is one.empty) or "none"
            optional = ", ".join(one.name for one in parameters if one.default is not one.empty) or "none"
            allowed = f"it needs {needed}; it can have {optional}"
            raise InvalidArguments([Problem(self.name, f"wrong arguments: {exc}", allowed)]) from None

    def check_version(self, wanted: str) -> None:
        """Raise ``UnsupportedRPCVersion`` when this method is older than the *wanted* version, or of another major one."""
        major, minor = parse_version(self.version)
        wanted_major, wanted_minor = parse_version(wanted)
        if wanted_major != major or wanted_minor > minor:
            raise UnsupportedRPCVersion(
                f"RPC method {self.name} is asked for in version {wanted}, and this conductor has it in {self.version}",
                method=self.name,
                wanted=wanted,
                supported=self.version,
            )


def collect_versions(*services: type) -> dict[str, str]:
    """Method -> version, for what these classes register."""
    return {
        name: version
        for service in services
        for name in dir(service)
        if (version := getattr(getattr(service, name, None), _ATTRIBUTE, None))
    }


def collect_methods(service: object) -> list[RPCMethod]:
    """The methods that *service* registers."""
    versions = collect_versions(type(service))
    bound = ((name, version, getattr(service, name)) for name, version in versions.items())
    return [RPCMethod(name, version, function, inspect.signature(function)) for name, version, function in bound]


class MethodRegistry:
    """The methods of all services of one conductor."""

    def __init__(self, services: Iterable[object] = ()) -> None:
        self._methods: dict[str, RPCMethod] = {}
        for service in services:
            self.add(service)

    def add(self, service: object) -> None:
        """Register what *service* declares."""
        for method in collect_methods(service):
            if method.name in self._methods:
                raise ValueError(f"RPC method {method.name!r} is registered twice")
            self._methods[method.name] = method

    def __getitem__(self, name: str) -> RPCMethod:
        try:
            return self._methods[name]
        except KeyError:
            raise UnknownRPCMethod(f"there is no RPC method {name[:64]!r}; there are {', '.join(self.names())}") from None

    def names(self) -> list[str]:
        """The names of all methods."""
        return sorted(self._methods)

    def versions(self) -> dict[str, str]:
        """Method -> version."""
        return {name: method.version for name, method in self._methods.items()}

    @property
    def version(self) -> str:
        """The newest version of any method: what this conductor speaks, at most."""
        return max((method.version for method in self._methods.values()), key=parse_version, default="1.0")
