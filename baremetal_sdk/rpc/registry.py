"""Registration of RPC methods. Only methods with the decorator ``rpc_method`` can be called."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar, get_type_hints

from baremetal_interfaces import Problem
from baremetal_sdk.errors import InvalidArguments, UnknownRPCMethod, UnsupportedRPCVersion
from baremetal_sdk.rpc.argument_types import find_problems

F = TypeVar("F", bound=Callable[..., Any])
_ATTRIBUTE = "__baremetal_rpc__"
_VERSION = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})", re.ASCII)


def rpc_method(version: str) -> Callable[[F], F]:
    """Decorator that registers a method of a service as an RPC method under its own name.

    The dispatcher rejects arguments of another type than the annotated one, unless an annotation names a class that is imported
    for type checkers only. *version* is the version of its interface, such as ``1.0``. Raise the minor number for a compatible
    change, such as a new argument with a default, and the major number for any other change.
    """
    parse_version(version)

    def declare(method: F) -> F:
        setattr(method, _ATTRIBUTE, version)
        return method

    return declare


def parse_version(version: str) -> tuple[int, int]:
    """Return the major and the minor number of a version such as ``1.0``. Raises ``ValueError`` for another format."""
    match = _VERSION.fullmatch(version)
    if match is None:
        raise ValueError(f"{version[:32]!r} is not a version; write it as 1.0")
    return int(match[1]), int(match[2])


@dataclass(frozen=True)
class RPCMethod:
    """A registered method with its version and its signature."""

    name: str
    version: str
    function: Callable[..., Any]
    signature: inspect.Signature = field(repr=False)

    def check(self, arguments: Mapping[str, Any]) -> None:
        """Raise ``InvalidArguments`` if the method does not accept *arguments* or their types. The method is not executed."""
        try:
            self.signature.bind(**arguments)
        except TypeError as exc:
            parameters = self.signature.parameters.values()
            required = ", ".join(parameter.name for parameter in parameters if parameter.default is parameter.empty) or "none"
            optional = ", ".join(parameter.name for parameter in parameters if parameter.default is not parameter.empty) or "none"
            allowed = f"required: {required}; optional: {optional}"
            raise InvalidArguments([Problem(self.name, f"wrong arguments: {exc}", allowed)]) from None
        problems = find_problems(arguments, self.types)
        if problems:
            raise InvalidArguments(problems)

    @property
    def types(self) -> Mapping[str, Any]:
        """The annotated type of each argument."""
        return _argument_types(getattr(self.function, "__func__", self.function))

    def check_version(self, wanted: str) -> None:
        """Raise ``UnsupportedRPCVersion`` if this method is older than *wanted*, or has another major version."""
        major, minor = parse_version(self.version)
        wanted_major, wanted_minor = parse_version(wanted)
        if wanted_major != major or wanted_minor > minor:
            raise UnsupportedRPCVersion(
                f"RPC method {self.name}: version {wanted} was requested, and this conductor has {self.version}; "
                "upgrade the older side",
                method=self.name,
                wanted=wanted,
                supported=self.version,
            )


@cache
def _argument_types(function: Callable[..., Any]) -> Mapping[str, Any]:
    """Return the annotations of a function's arguments. The one of its result may name classes that only type checkers import."""
    annotations = {name: hint for name, hint in getattr(function, "__annotations__", {}).items() if name != "return"}
    holder = types.SimpleNamespace(__annotations__=annotations)
    try:
        return get_type_hints(holder, getattr(function, "__globals__", {}), include_extras=True)
    except NameError:
        # A service of a host may import a class only for its type checker. Its arguments are not checked.
        return {}


def collect_versions(*services: type) -> dict[str, str]:
    """Return the version of each RPC method that these classes register, by name."""
    return {
        name: version
        for service in services
        for name in dir(service)
        if (version := getattr(getattr(service, name, None), _ATTRIBUTE, None))
    }


def collect_methods(service: object) -> list[RPCMethod]:
    """Return the RPC methods that *service* registers, bound to it."""
    versions = collect_versions(type(service))
    bound = ((name, version, getattr(service, name)) for name, version in versions.items())
    return [
        RPCMethod(name=name, version=version, function=function, signature=inspect.signature(function))
        for name, version, function in bound
    ]


class MethodRegistry:
    """The RPC methods of all services of one conductor, by name."""

    def __init__(self, services: Iterable[object] = ()) -> None:
        self._methods: dict[str, RPCMethod] = {}
        for service in services:
            self.add(service)

    def add(self, service: object) -> None:
        """Add the registered methods of *service*. Raises ``ValueError`` for a name that is already registered."""
        for method in collect_methods(service):
            if method.name in self._methods:
                raise ValueError(f"RPC method {method.name!r} is registered twice; rename one of the methods")
            self._methods[method.name] = method

    def __getitem__(self, name: str) -> RPCMethod:
        try:
            return self._methods[name]
        except KeyError:
            raise UnknownRPCMethod(f"unknown RPC method {name[:64]!r}; known methods: {', '.join(self.names())}") from None

    def names(self) -> list[str]:
        """Return the names of all methods, sorted."""
        return sorted(self._methods)

    def versions(self) -> dict[str, str]:
        """Return the version of each method by name."""
        return {name: method.version for name, method in self._methods.items()}

    @property
    def version(self) -> str:
        """Newest version of all methods. Callers with a newer version cannot use this conductor fully."""
        return max((method.version for method in self._methods.values()), key=parse_version, default="1.0")
