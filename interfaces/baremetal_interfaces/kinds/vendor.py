"""Vendor: what one vendor's machines can do and the contract has no word for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from baremetal_interfaces.interface import Interface
from baremetal_interfaces.values import Kind

F = TypeVar("F", bound=Callable[..., Any])
_ATTRIBUTE = "__baremetal_passthru__"


@dataclass(frozen=True)
class Passthru:
    """A method that clients call by its name, through the API."""

    name: str
    method: str
    http_methods: frozenset[str]
    description: str = ""
    background: bool = True
    """Whether the client gets 202 at once and the method runs on a worker; else the client waits for its result."""


def passthru(
    http_methods: Iterable[str], *, name: str | None = None, description: str = "", background: bool = True
) -> Callable[[F], F]:
    """Offer a method ``(self, task, **arguments)`` of a vendor interface to clients."""

    def declare(method: F) -> F:
        offered = Passthru(
            name=name or method.__name__,
            method=method.__name__,
            http_methods=frozenset(verb.upper() for verb in http_methods),
            description=description,
            background=background,
        )
        setattr(method, _ATTRIBUTE, offered)
        return method

    return declare


class VendorInterface(Interface):
    """Offers the methods that are declared with :func:`passthru`."""

    kind = Kind.VENDOR

    passthrus: ClassVar[dict[str, Passthru]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        declared = (getattr(getattr(cls, name, None), _ATTRIBUTE, None) for name in dir(cls))
        cls.passthrus = {one.name: one for one in declared if one is not None}
