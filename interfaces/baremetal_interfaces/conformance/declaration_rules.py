"""Rules about the declarations of a plugin. They need no BMC."""

from __future__ import annotations

import inspect

from baremetal_interfaces.conformance.outcome import NotOffered, demand
from baremetal_interfaces.conformance.subject import Subject
from baremetal_interfaces.connector import Fault
from baremetal_interfaces.errors import InvalidInput, NotSupported
from baremetal_interfaces.hardware_type import HardwareType
from baremetal_interfaces.interface import Interface
from baremetal_interfaces.steps import Phase, Step
from baremetal_interfaces.values import BootDevice, Kind, PowerState
from baremetal_interfaces.version import CONTRACT_VERSION, is_compatible


def hardware_type_is_described(subject: Subject) -> None:
    """The hardware type has a description, names a power interface, and fits the version of the contract."""
    found = subject.hardware_type
    if found is None:
        raise NotOffered("only interfaces were given, no hardware type")
    demand(isinstance(found, type) and issubclass(found, HardwareType), f"{found!r} is not a subclass of HardwareType")
    demand(found.__doc__ and found.__doc__ != HardwareType.__doc__, f"{found.__name__} has no docstring")
    demand(found.power, f"{found.__name__}.power names no implementation")
    written_for = {found.__name__: found.contract_version}
    written_for |= {type(interface).__name__: interface.contract_version for interface in subject.interfaces.values()}
    for name, version in written_for.items():
        fits = version is None or is_compatible(version)
        demand(fits, f"{name} is written for contract {version}, and this is {CONTRACT_VERSION}")


def interfaces_are_of_their_kind(subject: Subject) -> None:
    """Each interface is of the kind under which it is offered."""
    for kind, interface in subject.interfaces.items():
        fits = isinstance(interface, Interface) and interface.kind is kind
        demand(fits, f"{type(interface).__name__} is offered as {kind} and is not a {kind} interface")


def states_and_devices_are_declared_by_value(subject: Subject) -> None:
    """Declared power states and boot devices are values of the contract, and the power states include on and off."""
    states = subject.power.supported_states
    wrong = [state for state in states if not isinstance(state, PowerState) or state is PowerState.UNKNOWN]
    demand(not wrong, f"supported_states contains values that cannot be requested: {wrong}")
    demand({PowerState.ON, PowerState.OFF} <= set(states), "supported_states must contain PowerState.ON and PowerState.OFF")
    if Kind.MANAGEMENT in subject.interfaces:
        devices = subject.management.supported_boot_devices
        others = [device for device in devices if not isinstance(device, BootDevice)]
        demand(not others, f"supported_boot_devices contains values that are not a BootDevice: {others}")


def steps_can_be_called(subject: Subject) -> None:
    """Each step can be called with the task and its declared arguments, and its name is unique within its phase."""
    declared = [(interface, step) for interface in subject.interfaces.values() for step in interface.steps]
    deploy = subject.interfaces.get(Kind.DEPLOY)
    demand(deploy is None or deploy.steps_of(Phase.DEPLOY), "the deploy interface declares no step of phase deploy")
    if not declared:
        raise NotOffered("no interface declares a step")
    seen: set[tuple[Kind, Phase, str]] = set()
    for interface, step in declared:
        key = (interface.kind, step.phase, step.name)
        demand(key not in seen, f"{type(interface).__name__} declares the {step.phase} step {step.name!r} twice")
        seen.add(key)
        _demand_callable(interface, step)


def _demand_callable(interface: Interface, step: Step) -> None:
    where = f"{type(interface).__name__}.{step.method}"
    demand(step.priority >= 0, f"{where}: the priority of the step {step.name!r} is negative")
    signature = inspect.signature(getattr(interface, step.method))
    required = {name for name, argument in step.arguments.items() if argument.required}
    for given in (required, set(step.arguments)):
        try:
            signature.bind(object(), **dict.fromkeys(given))
        except TypeError as exc:
            demand(False, f"{where}{signature} cannot be called with the task and {sorted(given)}: {exc}")


def validation_asks_nobody(subject: Subject) -> None:
    """validate() opens no session, accepts the given driver_info for power and management, and names fields in its errors."""
    before = sum(connector.attempts for connector in subject.connectors.values())
    task = subject.task()
    for kind in subject.interfaces:
        try:
            task.validate(kind)
        except InvalidInput as exc:
            demand(kind not in (Kind.POWER, Kind.MANAGEMENT), f"validate() of {kind} refuses the given driver_info: {exc}")
            demand(exc.problems, f"validate() of {kind} names no field: {exc}")
        except NotSupported as exc:
            demand(kind is not Kind.POWER, f"validate() of {kind} is not supported: {exc}")
    attempts = sum(connector.attempts for connector in subject.connectors.values()) - before
    demand(attempts == 0, f"validate() tried to open {attempts} session(s): it runs while a client waits")


def connector_knows_every_exception(subject: Subject) -> None:
    """classify() returns a Fault for each exception, including unknown ones."""
    if not subject.connectors:
        raise NotOffered("no interface has a connector")
    for connector_type, connector in subject.connectors.items():
        for exc in (ValueError("unknown"), OSError(), TimeoutError("late"), ConnectionRefusedError(111, "refused")):
            try:
                fault = connector.classify(exc)
            except Exception as raised:
                demand(False, f"{connector_type.__name__}.classify() raises {raised!r} for {exc!r}")
            demand(isinstance(fault, Fault), f"{connector_type.__name__}.classify({exc!r}) gives {fault!r}, not a Fault")
