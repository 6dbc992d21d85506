"""The vendor interface: methods of one vendor's machines that the contract does not define."""

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
    """A method that clients call by its name through the API (vendor passthru)."""

    name: str
    method: str
    http_methods: frozenset[str]
    description: str = ""
    background: bool = True
    """True if the client gets status 202 at once and a worker runs the method; else the client waits for the result."""
    of_driver: bool = False
    """True if the method is called for a hardware type and not for a node. The client then waits for the result."""


def passthru(
    http_methods: Iterable[str], *, name: str | None = None, description: str = "", background: bool = True
) -> Callable[[F], F]:
    """Offer a method ``(self, task, **arguments)`` of a vendor interface to clients.

    *http_methods* are the allowed HTTP methods of the request. *name* defaults to the method's name. *description* is shown
    to clients. With *background* a worker runs the method and its result is discarded; without it the client gets the result.
    """
    return _passthru_decorator(http_methods, name=name, description=description, background=background)


def driver_passthru(http_methods: Iterable[str], *, name: str | None = None, description: str = "") -> Callable[[F], F]:
    """Offer a method ``(self, **arguments)`` of a vendor interface without a node. Clients wait for its result: keep it fast."""
    return _passthru_decorator(http_methods, name=name, description=description, background=False, of_driver=True)


def _passthru_decorator(http_methods: Iterable[str], *, name: str | None, **offer: Any) -> Callable[[F], F]:
    verbs = frozenset(verb.upper() for verb in http_methods)

    def decorate(method: F) -> F:
        setattr(method, _ATTRIBUTE, Passthru(name=name or method.__name__, method=method.__name__, http_methods=verbs, **offer))
        return method

    return decorate


class VendorInterface(Interface):
    """Offers the methods declared with :func:`passthru` and :func:`driver_passthru`."""

    kind = Kind.VENDOR

    passthrus: ClassVar[dict[str, Passthru]] = {}
    """The methods that are called for a node: name -> declaration. A plugin does not set this attribute."""

    driver_passthrus: ClassVar[dict[str, Passthru]] = {}
    """The methods that are called for a hardware type: name -> declaration. A plugin does not set this attribute."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        found = (getattr(getattr(cls, name, None), _ATTRIBUTE, None) for name in dir(cls))
        declared = [method for method in found if method is not None]
        cls.passthrus = {method.name: method for method in declared if not method.of_driver}
        cls.driver_passthrus = {method.name: method for method in declared if method.of_driver}
