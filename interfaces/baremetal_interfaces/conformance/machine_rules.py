"""Rules about power states and boot devices of the machine."""

from __future__ import annotations

from baremetal_interfaces.conformance.outcome import NotOffered, Violation, demand
from baremetal_interfaces.conformance.subject import Subject
from baremetal_interfaces.errors import BareMetalError, NotSupported
from baremetal_interfaces.local import LocalTask
from baremetal_interfaces.values import BootDevice, BootDeviceSetting, Kind, PowerState


def declared_power_states_are_reached(subject: Subject) -> None:
    """Each declared power state can be reached: power on from off, the others from on. Reads from the BMC confirm it."""
    declared = subject.power.supported_states
    with subject.power_left_as_found():
        for state in (state for state in PowerState if state in declared):
            _bring(subject, PowerState.OFF if state is PowerState.ON else PowerState.ON)
            _change(subject, state)


def power_commands_may_be_repeated(subject: Subject) -> None:
    """Power on of a machine that is on, and power off of a machine that is off, are not errors."""
    _ = subject.power
    with subject.power_left_as_found():
        for state in (PowerState.ON, PowerState.OFF):
            _bring(subject, state)
            error = _command_error(subject, state)
            demand(error is None, f"the machine has reached {state.value!r}, and the same command again fails: {error}")


def undeclared_power_state_is_not_carried_out(subject: Subject) -> None:
    """An undeclared power state is refused with NotSupported; a direct call of the driver fails or changes nothing.

    The first part does not apply to an undeclared reboot, which is carried out as power off and power on.
    """
    undeclared = [state for state in PowerState if state not in subject.power.supported_states]
    with subject.power_left_as_found() as found:
        for state in undeclared:
            if state is not PowerState.REBOOT:
                try:
                    subject.task().power.set(state)
                    demand(False, f"the power state {state.value!r} is not declared, and was set")
                except NotSupported:
                    pass
            error = _command_error(subject, state)
            now = subject.task().power.get()
            kept = error is not None or now is found
            demand(kept, f"{state.value!r} is not declared; the driver takes it, and the machine changes to {now.value!r}")


def another_instance_sees_the_same(subject: Subject) -> None:
    """A second instance of the plugin reads the power state that the first one set; it is not stored in the driver."""
    _ = subject.power
    with subject.power_left_as_found():
        for state in (PowerState.ON, PowerState.OFF):
            _bring(subject, state)
            seen = PowerState(_task_of_new_instances(subject).call(Kind.POWER, "get_power_state"))
            demand(seen is state, f"{state.value!r} was reached, and another instance of the driver reads {seen.value!r}")


def _task_of_new_instances(subject: Subject) -> LocalTask:
    """Return a task with new instances of all interfaces and connectors, as in another process."""
    try:
        fresh = {kind: type(interface)(interface.options) for kind, interface in subject.interfaces.items()}
    except TypeError as exc:
        raise NotOffered(f"another instance of the driver cannot be created: {exc}") from None
    return subject.task(interfaces=fresh, connectors={})


def boot_devices_are_set_and_read_back(subject: Subject) -> None:
    """Each supported boot device can be set, once and persistently, and reads back as set if the BMC reports it.

    A machine may refuse some devices with NotSupported, because some BMCs do not report which ones they support.
    """
    _ = subject.management
    devices = subject.task().call(Kind.MANAGEMENT, "get_supported_boot_devices")
    if not devices:
        raise NotOffered("the management interface sets no boot devices")
    with subject.boot_device_left_as_found():
        reported = [_set_and_read_back(subject, device, always) for device in sorted(devices) for always in (True, False)]
        accepted = [is_reported for is_reported in reported if is_reported is not None]
        demand(accepted, f"the supported boot devices are {', '.join(sorted(devices))}, and each is refused with NotSupported")
    if not any(accepted):
        raise NotOffered("boot devices can be set, and this BMC does not report the boot device")


def _set_and_read_back(subject: Subject, device: BootDevice, persistent: bool) -> bool | None:
    """Return whether the BMC reports the boot device after it was set; None if the machine refuses the device."""
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
    """Bring the machine to *state*, without a command if it already is in that state."""
    if subject.task().power.get() is not state:
        _change(subject, state)


def _change(subject: Subject, state: PowerState) -> None:
    try:
        subject.task().power.set(state)
    except BareMetalError as exc:
        raise Violation(f"{state.value!r} is declared and was not reached: {exc}") from None


def _command_error(subject: Subject, state: PowerState) -> BareMetalError | None:
    try:
        subject.task().call(Kind.POWER, "set_power_state", state)
    except BareMetalError as exc:
        return exc
    return None
