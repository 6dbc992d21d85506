"""Rules that are seen on the machine: power and boot device."""

from __future__ import annotations

from baremetal_interfaces.conformance.outcome import NotOffered, Violation, demand
from baremetal_interfaces.conformance.subject import Subject
from baremetal_interfaces.errors import BareMetalError, NotSupported
from baremetal_interfaces.local import LocalTask
from baremetal_interfaces.values import BootDevice, BootDeviceSetting, Kind, PowerState


def declared_power_states_are_reached(subject: Subject) -> None:
    """Every declared power state is reached, on from off and the others from on, as the BMC confirms."""
    declared = subject.power.supported_states
    with subject.power_left_as_found():
        for state in (one for one in PowerState if one in declared):
            _bring(subject, PowerState.OFF if state is PowerState.ON else PowerState.ON)
            _change(subject, state)


def power_commands_may_be_repeated(subject: Subject) -> None:
    """Switching on what is on and off what is off is no error."""
    _ = subject.power
    with subject.power_left_as_found():
        for state in (PowerState.ON, PowerState.OFF):
            _bring(subject, state)
            error = _error(subject, state)
            demand(error is None, f"the machine has reached {state.value!r}, and asking for it again fails: {error}")


def undeclared_power_state_is_not_carried_out(subject: Subject) -> None:
    """A power state that is not declared is refused before the driver is called, and does nothing when the driver is."""
    undeclared = [state for state in PowerState if state not in subject.power.supported_states]
    with subject.power_left_as_found() as found:
        for state in undeclared:
            if state is not PowerState.REBOOT:
                try:
                    subject.task().power.set(state)
                    demand(False, f"{state.value!r} is not declared, and was set")
                except NotSupported:
                    pass
            error = _error(subject, state)
            now = subject.task().power.get()
            kept = error is not None or now is found
            demand(kept, f"{state.value!r} is not declared; the driver takes it, and the machine goes to {now.value!r}")


def another_instance_sees_the_same(subject: Subject) -> None:
    """What one instance of the plugin set, another reads: the state is the machine's, and not the driver's."""
    _ = subject.power
    with subject.power_left_as_found():
        for state in (PowerState.ON, PowerState.OFF):
            _bring(subject, state)
            seen = PowerState(_elsewhere(subject).call(Kind.POWER, "get_power_state"))
            demand(seen is state, f"{state.value!r} was reached, and another instance of the driver reads {seen.value!r}")


def _elsewhere(subject: Subject) -> LocalTask:
    """A task by new instances of everything, as in another process."""
    try:
        fresh = {kind: type(interface)(interface.options) for kind, interface in subject.interfaces.items()}
    except TypeError as exc:
        raise NotOffered(f"another instance of the driver cannot be made: {exc}") from None
    return subject.task(interfaces=fresh, connectors={})


def boot_devices_are_set_and_read_back(subject: Subject) -> None:
    """Every supported boot device can be set, once and persistently; where the BMC tells, it is read back as set.

    A machine may refuse some devices with NotSupported: not every BMC can be asked which ones it takes.
    """
    _ = subject.management
    devices = subject.task().call(Kind.MANAGEMENT, "get_supported_boot_devices")
    if not devices:
        raise NotOffered("the management interface sets no boot devices")
    with subject.boot_device_left_as_found():
        told = [_set_and_read_back(subject, device, always) for device in sorted(devices) for always in (True, False)]
        taken = [one for one in told if one is not None]
        demand(taken, f"the supported boot devices are {', '.join(sorted(devices))}, and each is refused with NotSupported")
    if not any(taken):
        raise NotOffered("boot devices can be set, and this BMC does not tell what is set")


def _set_and_read_back(subject: Subject, device: BootDevice, persistent: bool) -> bool | None:
    """Whether the BMC tells what is set; None where the machine refuses the device."""
    wanted = f"{device}, {'every time' if persistent else 'once'}"
    try:
        subject.task().call(Kind.MANAGEMENT, "set_boot_device", device, persistent=persistent)
        found = subject.task().call(Kind.MANAGEMENT, "get_boot_device")
    except NotSupported:
        return None
    except BareMetalError as exc:
        raise Violation(f"{device} is a supported boot device, and setting it ({wanted}) fails: {exc}") from None
    demand(isinstance(found, BootDeviceSetting), f"get_boot_device gives {found!r}, not a BootDeviceSetting")
    if found.device is None:
        return False
    demand(found.device == device, f"the boot device was set to {wanted}, and {found.device} is read back")
    same = found.persistent is None or found.persistent == persistent
    demand(same, f"the boot device was set to {wanted}, and persistent={found.persistent} is read back")
    return True


def _bring(subject: Subject, state: PowerState) -> None:
    """Make the machine be in *state*, without a command where it is there already."""
    if subject.task().power.get() is not state:
        _change(subject, state)


def _change(subject: Subject, state: PowerState) -> None:
    try:
        subject.task().power.set(state)
    except BareMetalError as exc:
        raise Violation(f"{state.value!r} is declared and was not reached: {exc}") from None


def _error(subject: Subject, state: PowerState) -> BareMetalError | None:
    try:
        subject.task().call(Kind.POWER, "set_power_state", state)
    except BareMetalError as exc:
        return exc
    return None
