"""Catalog of the drivers that a conductor offers. A driver consists of a hardware type and one interface of each kind."""

from __future__ import annotations

import dataclasses
import difflib
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from baremetal_interfaces import Connector, Driver, DriverInfo, HardwareType, Interface, InvalidInput, Kind, Problem
from baremetal_interfaces.plugins import HARDWARE_TYPES, INTERFACES, METADATA_FILE, describe_error, describe_failures
from baremetal_sdk.bmc import SlotsInfo
from baremetal_sdk.config import ConductorConfig
from baremetal_sdk.drivers.loader import LoadFailure, Plugins, group_failures, log_failures
from baremetal_sdk.errors import ConfigurationError, DriverNotFound

_BOOLEANS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


class DriverCatalog:
    """The hardware types and interfaces that one conductor offers. It creates one instance of each interface.

    The constructor raises ``ConfigurationError`` for enabled plugins that are not installed and for wrong plugin options. A
    plugin with another fault is not offered, and ``failures`` has the reason.
    """

    def __init__(self, plugins: Plugins, config: ConductorConfig) -> None:
        self.failures: list[LoadFailure] = list(plugins.failures)
        self._config = config
        self._interfaces = {kind: self._create_interfaces(kind, plugins) for kind in Kind}
        log_failures(self.failures[len(plugins.failures) :])
        self._types = self._select_types(plugins)
        self._offers = {name: self._list_offer(name, cls) for name, cls in self._types.items()}
        self._unanswered = tuple(_find_unanswered(self._types, plugins))
        self._drop_incomplete(plugins)
        self._composed: dict[tuple[str, ...], Driver] = {}

    def list_hardware_types(self) -> list[str]:
        """Return the names of the offered hardware types, sorted."""
        return sorted(self._types)

    def get_hardware_type(self, name: str) -> type[HardwareType]:
        """Return the class of a hardware type. Raises ``DriverNotFound`` with the available names."""
        try:
            return self._types[name]
        except KeyError:
            raise DriverNotFound(self._describe_missing(name), driver=name) from None

    def list_interfaces(self, hardware_type: str, kind: Kind) -> tuple[str, ...]:
        """Return the names of the implementations of *kind* for nodes of a hardware type, most preferred first.

        Raises ``DriverNotFound`` for an unknown hardware type.
        """
        self.get_hardware_type(hardware_type)
        return self._offers[hardware_type][kind]

    def default_interface(self, hardware_type: str, kind: Kind) -> str | None:
        """Return the name of the implementation for nodes that name none: the configured default if offered, else the first.

        None means that no implementation is offered.
        """
        offered = self.list_interfaces(hardware_type, kind)
        configured = self._config.default_interfaces.get(str(kind))
        if configured in offered:
            return configured
        return offered[0] if offered else None

    def resolve(self, hardware_type: str, requested: Mapping[str, str | None]) -> dict[str, str]:
        """Return the name of the implementation by kind: the one in *requested* (name by kind), or else the default.

        Raises ``InvalidInput`` with all implementations that are not offered.
        """
        problems: list[Problem] = []
        chosen: dict[str, str] = {}
        for kind in Kind:
            name = requested.get(str(kind)) or self.default_interface(hardware_type, kind)
            if name is not None and name in self.list_interfaces(hardware_type, kind):
                chosen[str(kind)] = name
            else:
                problems.append(self._describe_not_offered(hardware_type, kind, name))
        if problems:
            raise InvalidInput(problems)
        return chosen

    def compose(self, hardware_type: str, names: Mapping[str, str | None]) -> Driver:
        """Return the driver of a node with these interfaces (*names* by kind, None for the default).

        Equal arguments return the same object. Raises ``InvalidInput`` for interfaces that are not offered.
        """
        chosen = self.resolve(hardware_type, names)
        key = (hardware_type, *chosen.values())
        if key not in self._composed:
            interfaces: dict[str, Any] = {str(kind): self._interfaces[kind][chosen[str(kind)]] for kind in Kind}
            self._composed[key] = Driver(hardware_type=hardware_type, **interfaces)
        return self._composed[key]

    def get_interface(self, kind: Kind, name: str) -> Interface:
        """Return the instance of the interface *name* of *kind*. Raises ``KeyError`` if it is not installed and enabled."""
        return self._interfaces[kind][name]

    def list_info_types(self, hardware_type: str) -> list[type[DriverInfo]]:
        """Return the classes that declare the ``driver_info`` options of a hardware type.

        They are those of its interfaces, and ``SlotsInfo`` with the options that apply to every BMC.
        """
        info_types = collect_info_types(
            self._interfaces[kind][name] for kind in Kind for name in self.list_interfaces(hardware_type, kind)
        )
        return [*info_types, SlotsInfo]

    def list_unanswered(self) -> tuple[tuple[str, Kind, str], ...]:
        """Return the interfaces that no installed plugin provides although a hardware type lists them.

        Each is a tuple of hardware type, kind and name. Nodes cannot select them.
        """
        return self._unanswered

    def describe(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Return default and enabled interfaces by hardware type and kind, for the conductor's record in the store."""
        return {
            name: {
                str(kind): {"default": self.default_interface(name, kind), "enabled": list(self.list_interfaces(name, kind))}
                for kind in Kind
            }
            for name in self._types
        }

    def list_connectors(self) -> set[type[Any]]:
        """Return the connector classes of all interfaces."""
        interfaces = (interface for by_name in self._interfaces.values() for interface in by_name.values())
        return {interface.connector for interface in interfaces if interface.connector is not None}

    def _create_interfaces(self, kind: Kind, plugins: Plugins) -> dict[str, Interface]:
        enabled = self._config.enabled_interfaces.get(str(kind), ())
        created: dict[str, Interface] = {}
        for name, cls in plugins.interfaces[kind].items():
            if enabled and name not in enabled:
                continue
            try:
                created[name] = cls(_plugin_options(cls, name, self._config.plugins))
            except (ConfigurationError, KeyboardInterrupt):
                raise
            except BaseException as exc:  # Even a plugin that exits must not stop the conductor.
                group = f"{INTERFACES}{kind}"
                owner, value = plugins.owners.get((group, name), ""), f"{cls.__module__}:{cls.__qualname__}"
                self.failures.append(LoadFailure(group, name, describe_error(exc), owner, value))
        missing = sorted(set(enabled) - set(plugins.interfaces[kind]) - set(group_failures(self.failures)))
        if missing:
            installed = ", ".join(sorted(plugins.interfaces[kind]))
            raise ConfigurationError(
                f"[DEFAULT] enabled_{kind}_interfaces: {', '.join(missing)} not installed; installed: {installed}"
            )
        return created

    def _select_types(self, plugins: Plugins) -> dict[str, type[HardwareType]]:
        enabled = self._config.enabled_hardware_types or tuple(plugins.hardware_types)
        broken = group_failures(self.failures)
        missing = [name for name in enabled if name not in plugins.hardware_types and name not in broken]
        if missing:
            installed = ", ".join(sorted(plugins.hardware_types)) or "none"
            raise ConfigurationError(
                f"[DEFAULT] enabled_hardware_types: {', '.join(missing)} not installed; installed: {installed}"
            )
        return {name: plugins.hardware_types[name] for name in enabled if name in plugins.hardware_types}

    def _list_offer(self, name: str, cls: type[HardwareType]) -> dict[Kind, tuple[str, ...]]:
        offer: dict[Kind, tuple[str, ...]] = {}
        for kind in Kind:
            available = self._interfaces[kind]
            # The hardware type's own list comes first, in its order of preference. Interfaces of other plugins that attach
            # themselves follow in a fixed order.
            listed = [option for option in cls.supported(kind) if option in available]
            attached = [option for option, interface in available.items() if name in interface.attaches_to]
            offer[kind] = tuple(listed + sorted(set(attached) - set(listed)))
        return offer

    def _drop_incomplete(self, plugins: Plugins) -> None:
        """Remove hardware types that have no implementation of some kind, because they cannot manage a node."""
        for name, offer in list(self._offers.items()):
            empty = [kind for kind, names in offer.items() if not names]
            if empty:
                supported = self._types[name].supported
                missing = ", ".join(f"{kind} ({', '.join(supported(kind)) or 'none listed'})" for kind in empty)
                reasons = [f"no implementation is installed and enabled for {missing}"]
                for kind in empty:
                    reasons += describe_failures(supported(kind), kind, self.failures)
                owner = plugins.owners.get((HARDWARE_TYPES, name), "")
                self.failures.append(LoadFailure(HARDWARE_TYPES, name, "; ".join(reasons), owner))
                del self._types[name], self._offers[name]

    def _describe_missing(self, name: str) -> str:
        reason = group_failures(self.failures).get(name)
        if reason:
            return f"driver: hardware type {name!r} could not be loaded: {reason}"
        close = difflib.get_close_matches(name, self._types, 1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        unreadable = [failure for failure in self.failures if failure.group == METADATA_FILE]
        hint += "".join(f"; the plugins of {failure.distribution} cannot be read: {failure.reason}" for failure in unreadable)
        return f"driver: unknown hardware type {name!r}; available: {', '.join(self.list_hardware_types())}{hint}"

    def _describe_not_offered(self, hardware_type: str, kind: Kind, name: str | None) -> Problem:
        offered = ", ".join(self.list_interfaces(hardware_type, kind)) or "nothing"
        return Problem(f"{kind}_interface", f"{name!r} is not offered for hardware type {hardware_type!r}", f"offered: {offered}")


def collect_info_types(interfaces: Iterable[Interface]) -> list[type[DriverInfo]]:
    """Return the distinct ``info_type`` classes of *interfaces*, in their order."""
    return list(dict.fromkeys(interface.info_type for interface in interfaces if interface.info_type is not None))


def find_kind_with(driver: Driver, connector: type[Connector[Any]]) -> Kind:
    """Return the kind of the first interface of *driver* that uses *connector* and declares ``driver_info`` options.

    These options contain the address of the BMC. Raises ``LookupError`` if no interface fits.
    """
    for kind, interface in driver:
        if interface.connector is connector and interface.info_type is not None:
            return kind
    raise LookupError(f"no interface of this node uses the connector {connector.__name__} and declares an info_type")


def get_interface_names(record: Any) -> dict[str, str | None]:
    """Return the interface names in a node's record by kind. None stands for the default."""
    return {str(kind): getattr(record, f"{kind}_interface") for kind in Kind}


def _find_unanswered(types: Mapping[str, type[HardwareType]], plugins: Plugins) -> Iterable[tuple[str, Kind, str]]:
    failed = {(failure.group, failure.name) for failure in plugins.failures}
    for hardware_type, cls in types.items():
        for kind in Kind:
            for name in cls.supported(kind):
                if name not in plugins.interfaces[kind] and (f"{INTERFACES}{kind}", name) not in failed:
                    yield hardware_type, kind, name


def _plugin_options(cls: type[Interface], name: str, sections: Mapping[str, Mapping[str, str]]) -> Any:
    """Return the options of the plugin *cls* from its configuration section, or None if it has no options.

    By default the section has the name of the plugin. Raises ``ConfigurationError`` for an invalid value.
    """
    if cls.options_type is None:
        return None
    section = getattr(cls.options_type, "section", name)
    texts = sections.get(section, {})
    hints = typing.get_type_hints(cls.options_type)
    values = {
        field.name: _convert(texts[field.name], hints[field.name], f"[{section}] {field.name}")
        for field in dataclasses.fields(cls.options_type)
        if field.name in texts
    }
    return cls.options_type(**values)


def _convert(text: str, hint: Any, option: str) -> Any:
    plain = next((arg for arg in typing.get_args(hint) if arg is not type(None)), hint)
    try:
        if plain is bool:
            return _BOOLEANS[text.strip().lower()]
        return plain(text)
    except (KeyError, ValueError):
        raise ConfigurationError(f"{option}: {text!r} is not a valid {plain.__name__}; correct the value") from None
