"""Rules for the classes that plugins register, checked before any instance is created."""

from __future__ import annotations

import difflib
import inspect
from typing import Any

from baremetal_interfaces.hardware_type import HardwareType
from baremetal_interfaces.interface import Interface
from baremetal_interfaces.values import Kind
from baremetal_interfaces.version import CONTRACT_VERSION, is_compatible

_NEAR_KIND = 0.8
"""Similarity from which an attribute of a hardware type is taken for a misspelled kind."""


def find_fault(plugin: Any, kind: Kind | None) -> str:
    """Return why *plugin* cannot be used as a hardware type (*kind* is None) or interface of *kind*. Empty: it can be used."""
    base: type = HardwareType if kind is None else Interface
    if not isinstance(plugin, type):
        return f"{_describe_object(plugin)} is not a subclass of {base.__name__}; register the class"
    if not issubclass(plugin, base):
        return f"the class {plugin.__name__} is not a subclass of {base.__name__}; register one"
    fault = _find_version_fault(plugin)
    if fault:
        return fault
    return _find_list_fault(plugin) if kind is None else _find_interface_fault(plugin, kind)


def _describe_object(plugin: Any) -> str:
    if inspect.isroutine(plugin) or inspect.ismodule(plugin):
        return f"the {type(plugin).__name__} {getattr(plugin, '__name__', '')}"
    return f"an instance of {type(plugin).__name__}"


def _find_version_fault(plugin: Any) -> str:
    version = plugin.contract_version
    if version is None:
        return ""
    numbers = version if isinstance(version, tuple) else ()
    if len(numbers) != 2 or any(type(number) is not int or number < 0 for number in numbers):
        return (
            f"{plugin.__name__}.contract_version is {version!r:.60}; "
            f"it must be a tuple of two integers, such as {CONTRACT_VERSION}, or None"
        )
    if is_compatible(version):
        return ""
    theirs, ours = (".".join(map(str, found)) for found in (version, CONTRACT_VERSION))
    remedy = "update the plugin" if version[0] < CONTRACT_VERSION[0] else "update baremetal-interfaces and the runtime"
    return f"{plugin.__name__} is written for contract {theirs:.60}, and contract {ours} is installed; {remedy}"


def _find_list_fault(plugin: Any) -> str:
    for kind in Kind:
        fault = find_names_fault(f"{plugin.__name__}.{kind}", getattr(plugin, kind))
        if fault:
            return fault
        fault = find_names_fault(f"{plugin.__name__}.supported({str(kind)!r})", plugin.supported(kind))
        if fault:
            return fault
    own = {name for cls in plugin.__mro__ if cls not in HardwareType.__mro__ for name in vars(cls)}
    for name in sorted(own - set(Kind)):
        close = difflib.get_close_matches(name, list(Kind), 1, cutoff=_NEAR_KIND)
        if close and isinstance(getattr(plugin, name), (str, list, tuple)):
            return f"{plugin.__name__}.{name} is not a kind of interface; did you mean {str(close[0])!r}?"
    return ""


def find_names_fault(what: str, names: Any) -> str:
    """Return why *names* is not a tuple of distinct names, or an empty text."""
    if isinstance(names, str):
        return f"{what} is the string {names!r}; write a tuple: ({names!r},)"
    if not isinstance(names, tuple):
        return f"{what} is {names!r:.80} ({type(names).__name__}); it must be a tuple of names"
    wrong = [name for name in names if not isinstance(name, str) or not name]
    if wrong:
        return f"{what} contains {wrong[0]!r:.80} ({type(wrong[0]).__name__}); each name must be a non-empty string"
    repeated = sorted({name for name in names if names.count(name) > 1})
    return f"{what} names {repeated[0]!r} more than once; remove the repetition" if repeated else ""


def _find_interface_fault(plugin: Any, kind: Kind | None) -> str:
    own_kind = getattr(plugin, "kind", None)
    if own_kind is not kind:
        return f"{plugin.__name__} is not an interface of this kind: its kind is {own_kind}, and the group is of {kind}"
    if inspect.isabstract(plugin):
        missing = ", ".join(sorted(plugin.__abstractmethods__))
        return f"{plugin.__name__} does not implement {missing}; define the abstract methods"
    try:
        inspect.signature(plugin).bind(None)
    except TypeError as exc:
        return f"{plugin.__name__} cannot be created with its options: {exc}; define __init__(self, options=None)"
    except ValueError:
        pass  # Classes implemented in C have no signature.
    return find_names_fault(f"{plugin.__name__}.attaches_to", plugin.attaches_to) or _find_signature_fault(plugin)


def _find_signature_fault(plugin: type[Interface]) -> str:
    """Return which method cannot be called with the required arguments of the method of the contract, or an empty text."""
    for base in plugin.__mro__:
        if base.__module__.partition(".")[0] != "baremetal_interfaces":
            continue
        for name, declared in sorted(vars(base).items()):
            if name.startswith("_") or not inspect.isfunction(declared):
                continue
            fault = _find_method_fault(plugin, name, declared)
            if fault:
                return fault
    return ""


def _find_method_fault(plugin: type[Interface], name: str, declared: Any) -> str:
    found = getattr(plugin, name)
    if found is declared:
        return ""
    if not callable(found):
        return f"{plugin.__name__}.{name} is {found!r:.60}; it must be a method"
    if not inspect.isfunction(found):
        return ""
    parameters = list(inspect.signature(declared).parameters.values())
    # Later versions of the contract add parameters with defaults. A plugin for an older version need not have them.
    required = [each for each in parameters if each.default is each.empty]
    positional = [None for each in required if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    keywords = {each.name: None for each in required if each.kind is each.KEYWORD_ONLY}
    if isinstance(inspect.getattr_static(plugin, name), staticmethod):
        positional.pop()
    try:
        inspect.signature(found).bind(*positional, **keywords)
    except TypeError as exc:
        expected = ", ".join(each.name for each in parameters)
        return f"{plugin.__name__}.{name} has a wrong signature: {exc}; define {name}({expected})"
    return ""
