"""Which methods can be called from outside: those that say so, and no others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from baremetal_interfaces import NotFound

F = TypeVar("F", bound=Callable[..., Any])
_ATTRIBUTE = "__baremetal_rpc__"


def rpc_method(version: str) -> Callable[[F], F]:
    """Register a method of a service, by its name, since *version* of the interface between API and conductor."""

    def declare(method: F) -> F:
        setattr(method, _ATTRIBUTE, version)
        return method

    return declare


@dataclass(frozen=True)
class Method:
    """A registered method."""

    name: str
    version: str
    function: Callable[..., Any]


def methods_of(service: object) -> list[Method]:
    """The methods that *service* registers."""
    return [
        Method(name, version, getattr(service, name))
        for name in dir(type(service))
        if (version := getattr(getattr(type(service), name, None), _ATTRIBUTE, None))
    ]


class Registry:
    """The methods of all services of one conductor."""

    def __init__(self) -> None:
        self._methods: dict[str, Method] = {}

    def add(self, service: object) -> None:
        """Register what *service* declares."""
        for method in methods_of(service):
            if method.name in self._methods:
                raise ValueError(f"RPC method {method.name!r} is registered twice")
            self._methods[method.name] = method

    def __getitem__(self, name: str) -> Method:
        try:
            return self._methods[name]
        except KeyError:
            raise NotFound(f"there is no RPC method {name!r}; there are {', '.join(sorted(self._methods))}") from None

    def names(self) -> list[str]:
        """The names of all methods."""
        return sorted(self._methods)
