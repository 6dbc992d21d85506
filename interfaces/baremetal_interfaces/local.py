"""A task without a runtime: what drives one machine from a script, a test, or a host application of another kind."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from baremetal_interfaces.connector import Connector, Endpoint
from baremetal_interfaces.deadline import Deadline
from baremetal_interfaces.driver import Driver
from baremetal_interfaces.errors import BareMetalError, NotSupported
from baremetal_interfaces.faults import scrub, translate
from baremetal_interfaces.interface import Interface
from baremetal_interfaces.local_power import LocalPower
from baremetal_interfaces.node import Node, Port
from baremetal_interfaces.values import Kind

S = TypeVar("S")

CLOSE_SECONDS = 5.0
"""What a logout may take, also when the time of the task itself is over."""


class LocalTask:
    """A :class:`~baremetal_interfaces.task.Task` for one machine, with nothing but the standard library.

    *interfaces* is a whole driver or only some of its interfaces by kind; what is missing raises
    :class:`~baremetal_interfaces.errors.NotSupported` when it is used. *driver_info* is what an operator wrote down,
    unchecked. The task is over *timeout* seconds after it was made. *connectors* lets several tasks share their
    connectors. *clock* and *wait*, both in seconds, are what time is told and spent by.

    Like every task it belongs to one thread; the interfaces may be shared.
    """

    def __init__(
        self,
        interfaces: Driver | Mapping[Kind, Interface] | Mapping[str, Interface],
        driver_info: Mapping[str, Any],
        *,
        node: Node | None = None,
        ports: Sequence[Port] = (),
        timeout: float = 300.0,
        connectors: MutableMapping[type[Connector[Any]], Connector[Any]] | None = None,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
        poll_interval: float = 1.0,
    ) -> None:
        self._interfaces = {Kind(kind): interface for kind, interface in _pairs(interfaces)}
        self._driver = interfaces if isinstance(interfaces, Driver) else _partial_driver(self._interfaces)
        self._driver_info = dict(driver_info)
        self._node = node or _anonymous(self._driver.hardware_type)
        self._ports = tuple(ports)
        self._deadline = Deadline.after(timeout, clock)
        self._cancel = threading.Event()
        self._log = _NodeLog(logging.getLogger(__name__), {"node": self._node.uuid, "label": self._node.label})
        self._infos: dict[Kind, Any] = {}
        self._states: dict[Kind, Any] = {}
        self._connectors = {} if connectors is None else connectors
        self._borrowed: dict[type[Connector[Any]], Any] = {}
        self._power = LocalPower(self, wait or self._cancel.wait, poll_interval)

    @property
    def node(self) -> Node:
        """The node that was given, or one with a UUID of its own."""
        return self._node

    @property
    def ports(self) -> Sequence[Port]:
        """The node's ports."""
        return self._ports

    @property
    def interfaces(self) -> Mapping[Kind, Interface]:
        """The interfaces that were given."""
        return self._interfaces

    @property
    def driver(self) -> Driver:
        """The node's interfaces; one that was not given raises ``NotSupported`` when it is used."""
        return self._driver

    @property
    def deadline(self) -> Deadline:
        """When this call has to be over."""
        return self._deadline

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger whose lines name the node."""
        return self._log

    @property
    def cancelled(self) -> bool:
        """Whether :meth:`cancel` has been called."""
        return self._cancel.is_set()

    def cancel(self) -> None:
        """Tell the task to stop: waiting ends at once, and a driver sees it at its next look. Any thread may call it."""
        self._cancel.set()

    @property
    def power(self) -> LocalPower:
        """Power and boot device, confirmed."""
        return self._power

    def info(self, kind: Kind | str) -> Any:
        """The typed ``driver_info`` of the interface of that kind.

        Raises :class:`~baremetal_interfaces.errors.InvalidInput` with everything that is wrong with it, and
        ``LookupError`` when the interface declares no ``info_type``.
        """
        kind = Kind(kind)
        interface = self._given(kind)
        if interface.info_type is None:
            raise LookupError(f"the {kind} interface {type(interface).__name__} declares no info_type")
        if kind not in self._infos:
            self._infos[kind] = interface.info_type.parse(self._driver_info)
        return self._infos[kind]

    def state(self, kind: Kind | str) -> Any:
        """The typed state of the interface of that kind. It lives as long as the task.

        Raises ``LookupError`` when the interface declares no ``state_type``.
        """
        kind = Kind(kind)
        interface = self._given(kind)
        if interface.state_type is None:
            raise LookupError(f"the {kind} interface {type(interface).__name__} declares no state_type")
        if kind not in self._states:
            self._states[kind] = interface.state_type()
        return self._states[kind]

    @contextmanager
    def session(self, connector: type[Connector[S]]) -> Iterator[S]:
        """Borrow a session: the outermost borrow opens it and closes it, those within share it.

        What goes wrong is raised as an error of the contract. A session that expired is not renewed.
        """
        if connector in self._borrowed:
            with self._translated(connector):
                yield self._borrowed[connector]
            return
        info = self._info_for(connector)
        self._deadline.check("opening a session at the BMC")
        with self._translated(connector):
            session = self._open(connector, info)
            self._borrowed[connector] = session
            try:
                yield session
            finally:
                del self._borrowed[connector]
                self._close(connector, session)

    def call(self, kind: Kind | str, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of an interface as a runtime does: whatever it raises comes out as an error of the contract.

        A method that the interface does not have raises :class:`~baremetal_interfaces.errors.NotSupported`.
        """
        interface = self._given(Kind(kind))
        bound = getattr(interface, method, None)
        if bound is None:
            raise NotSupported(f"the {kind} interface {type(interface).__name__} does not offer {method}")
        try:
            return bound(self, *args, **kwargs)
        except Exception as exc:
            failure = self._translate(exc, None)
        # Raised out here, so that the exception it was made of, which may hold a secret, is not its context.
        failure.__context__ = None
        raise failure

    def validate(self, kind: Kind | str) -> None:
        """Check the declared ``driver_info`` and then what the interface itself has to say about the node."""
        if self._given(Kind(kind)).info_type is not None:
            self.info(kind)
        self.call(kind, "validate")

    @contextmanager
    def bounded(self, seconds: float | None) -> Iterator[Deadline]:
        """Within it, :attr:`deadline` is at most *seconds* away."""
        outer = self._deadline
        self._deadline = outer if seconds is None else outer.within(seconds)
        try:
            yield self._deadline
        finally:
            self._deadline = outer

    def secrets(self) -> frozenset[str]:
        """The values that must not be seen: those of every declared secret option."""
        info_types = [interface.info_type for interface in self._interfaces.values() if interface.info_type is not None]
        names = frozenset[str]().union(*(info_type.secrets() for info_type in info_types))
        return frozenset(str(self._driver_info[name]) for name in names if self._driver_info.get(name))

    def _given(self, kind: Kind) -> Interface:
        if kind not in self._interfaces:
            raise _missing(kind)
        return self._interfaces[kind]

    def _info_for(self, connector: type[Connector[Any]]) -> Any:
        """The information of the first interface, power before all others, that reaches the BMC by *connector*."""
        for kind in Kind:
            if kind in self._interfaces and self._interfaces[kind].connector is connector:
                return self.info(kind)
        raise NotSupported(f"no interface of this task declares the connector {connector.__name__}")

    def _instance(self, connector: type[Connector[S]]) -> Connector[S]:
        if connector not in self._connectors:
            self._connectors[connector] = connector()
        return self._connectors[connector]

    def _open(self, connector: type[Connector[S]], info: Any) -> S:
        options = info.endpoint().tls
        tls = None
        if options is not None:
            from baremetal_interfaces.http.tls import tls_context  # ssl costs time that most imports need not spend

            tls = tls_context(options)
        return self._instance(connector).open(info, tls, self._deadline)

    def _close(self, connector: type[Connector[S]], session: S) -> None:
        try:
            self._instance(connector).close(session, Deadline.after(CLOSE_SECONDS, self._deadline.clock))
        except Exception as exc:
            self._log.warning("closing the session failed: %s", scrub(f"{type(exc).__name__}: {exc}", self.secrets()))

    @contextmanager
    def _translated(self, connector: type[Connector[Any]]) -> Iterator[None]:
        try:
            yield
        except Exception as exc:
            raise self._translate(exc, connector) from None

    def _translate(self, exc: Exception, connector: type[Connector[Any]] | None) -> BareMetalError:
        secrets = self.secrets()
        if not isinstance(exc, BareMetalError):
            self._log.debug("the driver raised:\n%s", scrub("".join(traceback.format_exception(exc)), secrets))
        return translate(
            exc,
            connector=self._instance(connector) if connector is not None else None,
            endpoint=self._endpoint(connector),
            secrets=secrets,
        )

    def _endpoint(self, connector: type[Connector[Any]] | None) -> Endpoint | None:
        if connector is None:
            return None
        endpoint: Endpoint = self._info_for(connector).endpoint()
        return endpoint


def _anonymous(driver: str) -> Node:
    from uuid import uuid4  # it costs time that most imports need not spend

    return Node(uuid=str(uuid4()), driver=driver)


class _NodeLog(logging.LoggerAdapter[logging.Logger]):
    """Puts the node in front of every line."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        extra = self.extra or {}
        return f"node {str(extra['label']).replace('%', '%%')}: {msg}", {**kwargs, "extra": extra}


class _Missing:
    """Stands for an interface that was not given: whatever is asked of it is not supported."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    def __getattr__(self, name: str) -> Any:
        raise _missing(self.kind)


def _missing(kind: Kind) -> NotSupported:
    return NotSupported(f"this task was given no {kind} interface")


def _pairs(interfaces: Driver | Mapping[Kind, Interface] | Mapping[str, Interface]) -> list[tuple[Kind | str, Interface]]:
    return list(interfaces if isinstance(interfaces, Driver) else interfaces.items())


def _partial_driver(interfaces: Mapping[Kind, Interface]) -> Driver:
    """A driver of the interfaces that there are."""
    given: dict[str, Any] = {kind.value: interfaces.get(kind, _Missing(kind)) for kind in Kind}
    return Driver(hardware_type="local", **given)
