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
    of_driver: bool = False
    """Whether it needs no node: it is called for a hardware type, and the client waits for its result."""


def passthru(
    http_methods: Iterable[str], *, name: str | None = None, description: str = "", background: bool = True
) -> Callable[[F], F]:
    """Offer a method ``(self, task, **arguments)`` of a vendor interface to clients."""
    return _declared(http_methods, name=name, description=description, background=background)


def driver_passthru(http_methods: Iterable[str], *, name: str | None = None, description: str = "") -> Callable[[F], F]:
    """Offer a method ``(self, **arguments)`` of a vendor interface that needs no node. It answers quickly: clients wait."""
    return _declared(http_methods, name=name, description=description, background=False, of_driver=True)


def _declared(http_methods: Iterable[str], *, name: str | None, **offer: Any) -> Callable[[F], F]:
    verbs = frozenset(verb.upper() for verb in http_methods)

    def declare(method: F) -> F:
        setattr(method, _ATTRIBUTE, Passthru(name=name or method.__name__, method=method.__name__, http_methods=verbs, **offer))
        return method

    return declare


class VendorInterface(Interface):
    """Offers the methods that are declared with :func:`passthru` and :func:`driver_passthru`."""

    kind = Kind.VENDOR

    passthrus: ClassVar[dict[str, Passthru]] = {}
    """Name -> method that is called for a node."""

    driver_passthrus: ClassVar[dict[str, Passthru]] = {}
    """Name -> method that is called for a hardware type."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        found = (getattr(getattr(cls, name, None), _ATTRIBUTE, None) for name in dir(cls))
        declared = [one for one in found if one is not None]
        cls.passthrus = {one.name: one for one in declared if not one.of_driver}
        cls.driver_passthrus = {one.name: one for one in declared if one.of_driver}
