"""A task without a runtime: it drives one machine from a script, a test, or another application."""

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
from baremetal_interfaces.faults import translate
from baremetal_interfaces.interface import Interface
from baremetal_interfaces.local_power import LocalPower
from baremetal_interfaces.node import Node, Port
from baremetal_interfaces.redaction import redact_text, scrub
from baremetal_interfaces.secret_fields import collect_secret_values
from baremetal_interfaces.values import Kind

S = TypeVar("S")

CLOSE_TIMEOUT_S = 5.0
"""Time limit of a logout in seconds. It applies even after the task's deadline, so that no session stays open."""


class LocalTask:
    """A :class:`~baremetal_interfaces.task.Task` for one machine, with nothing but the standard library.

    *interfaces* is a driver, or some of its interfaces by kind. The use of a missing interface raises
    :class:`~baremetal_interfaces.errors.NotSupported`. *driver_info* is the raw mapping; :meth:`info` checks it. The deadline
    of the task is *timeout* seconds after its creation. Tasks with the same *connectors* mapping share their connectors.
    *clock* returns the current time and *wait* sleeps, both in seconds. *poll_interval* is the time between two reads of the
    power state, in seconds.

    A task belongs to one thread. Several tasks may share the interfaces.
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
        """The given node, or a new one with a random UUID."""
        return self._node

    @property
    def ports(self) -> Sequence[Port]:
        """The node's ports."""
        return self._ports

    @property
    def interfaces(self) -> Mapping[Kind, Interface]:
        """The given interfaces by kind."""
        return self._interfaces

    @property
    def driver(self) -> Driver:
        """The node's interfaces. The use of an interface that was not given raises ``NotSupported``."""
        return self._driver

    @property
    def deadline(self) -> Deadline:
        """The time by which the current call must end."""
        return self._deadline

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger that adds the node to each line."""
        return self._log

    @property
    def cancelled(self) -> bool:
        """True once :meth:`cancel` has been called."""
        return self._cancel.is_set()

    def cancel(self) -> None:
        """Cancel the task: its waits end at once, and :attr:`cancelled` becomes true for the driver. Thread-safe."""
        self._cancel.set()

    @property
    def power(self) -> LocalPower:
        """Power and boot device control with confirmation."""
        return self._power

    def info(self, kind: Kind | str) -> Any:
        """Return the typed ``driver_info`` of the interface of *kind*.

        Raises :class:`~baremetal_interfaces.errors.InvalidInput` with all problems of ``driver_info``, and ``LookupError`` if
        the interface declares no ``info_type``.
        """
        kind = Kind(kind)
        interface = self._interface(kind)
        if interface.info_type is None:
            raise LookupError(f"the {kind} interface {type(interface).__name__} declares no info_type")
        if kind not in self._infos:
            try:
                self._infos[kind] = interface.info_type.parse(self._driver_info)
            except Exception as exc:
                # A plugin's check of the options may put the value of a secret into its error.
                failure = self._translate(exc, None)
            else:
                return self._infos[kind]
            failure.__context__ = None
            raise failure
        return self._infos[kind]

    def state(self, kind: Kind | str) -> Any:
        """Return the typed state of the interface of *kind*. It exists as long as the task, and is not stored.

        Raises ``LookupError`` if the interface declares no ``state_type``.
        """
        kind = Kind(kind)
        interface = self._interface(kind)
        if interface.state_type is None:
            raise LookupError(f"the {kind} interface {type(interface).__name__} declares no state_type")
        if kind not in self._states:
            self._states[kind] = interface.state_type()
        return self._states[kind]

    @contextmanager
    def session(self, connector: type[Connector[S]]) -> Iterator[S]:
        """Borrow a session within a ``with`` block. The outermost block opens and closes it; nested blocks share it.

        Exceptions within the block are raised as errors of the contract. An expired session is not renewed.
        """
        if connector in self._borrowed:
            with self._translating(connector):
                yield self._borrowed[connector]
            return
        info = self._info_for(connector)
        self._deadline.check("opening a session with the BMC")
        with self._translating(connector):
            session = self._open(connector, info)
            self._borrowed[connector] = session
            try:
                yield session
            finally:
                del self._borrowed[connector]
                self._close(connector, session)

    def call(self, kind: Kind | str, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call *method* of the interface of *kind* as a runtime does: all exceptions are raised as errors of the contract.

        Raises :class:`~baremetal_interfaces.errors.NotSupported` if the interface does not have the method.
        """
        interface = self._interface(Kind(kind))
        bound = getattr(interface, method, None)
        if bound is None:
            raise NotSupported(f"the {kind} interface {type(interface).__name__} does not offer {method}")
        try:
            return bound(self, *args, **kwargs)
        except Exception as exc:
            failure = self._translate(exc, None)
        # Raised outside of the except block: the original exception may contain a secret and must not become its context.
        failure.__context__ = None
        raise failure

    def validate(self, kind: Kind | str) -> None:
        """Check the declared ``driver_info`` of the interface of *kind*, then call its ``validate``."""
        if self._interface(Kind(kind)).info_type is not None:
            self.info(kind)
        self.call(kind, "validate")

    @contextmanager
    def bounded(self, seconds: float | None) -> Iterator[Deadline]:
        """Limit :attr:`deadline` to *seconds* from now within a ``with`` block; None sets no further limit."""
        outer = self._deadline
        self._deadline = outer if seconds is None else outer.within(seconds)
        try:
            yield self._deadline
        finally:
            self._deadline = outer

    def secrets(self) -> frozenset[str]:
        """Return the values of all declared secret options. They must not appear in logs or errors."""
        info_types = [interface.info_type for interface in self._interfaces.values() if interface.info_type is not None]
        names = frozenset[str]().union(*(info_type.secrets() for info_type in info_types))
        return frozenset(str(self._driver_info[name]) for name in names if self._driver_info.get(name)).union(
            collect_secret_values(self._driver_info), collect_secret_values(self._node.instance_info)
        )

    def _interface(self, kind: Kind) -> Interface:
        if kind not in self._interfaces:
            raise _missing_error(kind)
        return self._interfaces[kind]

    def _info_for(self, connector: type[Connector[Any]]) -> Any:
        """Return the ``driver_info`` of the first interface that uses *connector*, in the order of the kinds."""
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
            from baremetal_interfaces.http.tls import tls_context  # not at the top: ssl is slow to import, and rarely needed here

            tls = tls_context(options, self._deadline)
        return self._instance(connector).open(info, tls, self._deadline)

    def _close(self, connector: type[Connector[S]], session: S) -> None:
        try:
            self._instance(connector).close(session, Deadline.after(CLOSE_TIMEOUT_S, self._deadline.clock))
        except Exception as exc:
            self._log.warning("could not close the session: %s", redact_text(f"{type(exc).__name__}: {exc}", self.secrets()))

    @contextmanager
    def _translating(self, connector: type[Connector[Any]]) -> Iterator[None]:
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
    from uuid import uuid4  # not at the top: uuid is slow to import

    return Node(uuid=str(uuid4()), driver=driver)


class _NodeLog(logging.LoggerAdapter[logging.Logger]):
    """Logger adapter that puts the name or UUID of the node in front of each line."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        extra = self.extra or {}
        return f"node {str(extra['label']).replace('%', '%%')}: {msg}", {**kwargs, "extra": extra}


class _MissingInterface:
    """Placeholder for an interface that was not given. Each use raises ``NotSupported``."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    def __getattr__(self, name: str) -> Any:
        raise _missing_error(self.kind)


def _missing_error(kind: Kind) -> NotSupported:
    return NotSupported(f"this task has no {kind} interface")


def _pairs(interfaces: Driver | Mapping[Kind, Interface] | Mapping[str, Interface]) -> list[tuple[Kind | str, Interface]]:
    return list(interfaces if isinstance(interfaces, Driver) else interfaces.items())


def _partial_driver(interfaces: Mapping[Kind, Interface]) -> Driver:
    """Return a driver with *interfaces*, and with placeholders for the missing kinds."""
    given: dict[str, Any] = {kind.value: interfaces.get(kind, _MissingInterface(kind)) for kind in Kind}
    return Driver(hardware_type="local", **given)
