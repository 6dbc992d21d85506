"""The boot override of a system: the device and the mode of its next boots.

Services differ in the properties that a change needs: some want all three together, some refuse one of them, some know no
persistent override. The forms of a change are tried in order until the service accepts one. Quirks choose the first form.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sushy.exceptions

from baremetal_interfaces import BootDevice, BootDeviceSetting, BootMode, NotSupported
from baremetal_redfish.errors import is_busy
from baremetal_redfish.links import follow, get_nested, get_path
from baremetal_redfish.machine import REFUSAL_STATUSES, translate_refusal
from baremetal_redfish.quirks import Quirk, choose_quirks
from baremetal_redfish.session import RedfishSession

TARGETS: dict[BootDevice, tuple[str, ...]] = {
    BootDevice.PXE: ("Pxe",),
    BootDevice.DISK: ("Hdd",),
    BootDevice.CDROM: ("Cd", "UsbCd"),
    BootDevice.BIOS: ("BiosSetup",),
    BootDevice.UEFIHTTP: ("UefiHttp",),
    BootDevice.FLOPPY: ("Floppy",),
}
"""Boot device -> Redfish's boot sources for it. The first one that the system allows is set."""

_DEVICES = {target: device for device, targets in TARGETS.items() for target in targets}
_BOOT_MODES = {"Legacy": BootMode.BIOS, "UEFI": BootMode.UEFI}
_TARGET, _ENABLED, _MODE = "BootSourceOverrideTarget", "BootSourceOverrideEnabled", "BootSourceOverrideMode"
_ONCE, _CONTINUOUS, _DISABLED = "Once", "Continuous", "Disabled"
_URI = "HttpBootUri"
_NEXT_FORM_STATUSES = REFUSAL_STATUSES | {500}
"""HTTP status codes after which the next form is tried: some services fail on values that they do not know."""


@dataclass(frozen=True)
class BootOverride:
    """The boot override of the system at *path*, as its document *boot* and that of its pending settings *pending* show it.

    *pending_path* is the path of the pending settings, None if the system has none. Properties that they contain are changed
    there.
    """

    session: RedfishSession
    path: str
    boot: Mapping[str, Any]
    quirks: frozenset[Quirk]
    pending_path: str | None = None
    pending: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, session: RedfishSession, path: str, system: Mapping[str, Any], quirks: str | None) -> BootOverride:
        """Return the override of the system with the document *system*. *quirks* are the changes of the node's quirks."""
        reference = get_nested(system, "@Redfish.Settings", "SettingsObject")
        pending = get_nested(_read_pending(session, reference), "Boot")
        boot = system.get("Boot")
        return cls(
            session,
            path,
            boot if isinstance(boot, dict) else {},
            choose_quirks(system, quirks),
            get_path(reference),
            pending if isinstance(pending, dict) else {},
        )

    @property
    def device(self) -> BootDeviceSetting:
        """The device of the override. Without an override both values are None."""
        enabled = self.boot.get(_ENABLED)
        if enabled in (None, _DISABLED):
            return BootDeviceSetting(None, None)
        device = _DEVICES.get(str(self.boot.get(_TARGET)))
        return BootDeviceSetting(device, None if device is None else enabled == _CONTINUOUS)

    @property
    def mode(self) -> BootMode | None:
        """The mode of the override or, if it has none, the only mode that the system allows. None if it reports neither."""
        found = _BOOT_MODES.get(str(self._get(_MODE)))
        allowed = self._list_allowed(_MODE)
        return found or (_BOOT_MODES.get(allowed[0]) if len(allowed) == 1 else None)

    @property
    def allowed_targets(self) -> Sequence[str]:
        """The boot sources that the system allows: all that this driver knows if it does not list any."""
        return self._list_allowed(_TARGET) or sorted(_DEVICES)

    def choose_target(self, device: BootDevice) -> str | None:
        """Return the boot source to set for *device*, or None if the system does not allow one."""
        targets = TARGETS.get(device, ())
        if Quirk.BOOT_CD_AS_USB_CD in self.quirks:
            # Reversed, UsbCd precedes Cd; other devices have one source.
            targets = targets[::-1]
        listed = self._list_allowed(_TARGET)
        return next((target for target in targets if target in listed or not listed), None)

    def set_device(self, device: BootDevice, persistent: bool) -> bool:
        """Override the boot order: for every boot if *persistent*, else for the next one.

        Return whether the change is as requested. False means that the service knows no persistent override, and *device* was
        set for the next boot only. Raises NotSupported for a device that the system does not allow.
        """
        target = self.choose_target(device)
        if target is None:
            known = ", ".join(sorted(self.allowed_targets))
            raise NotSupported(f"boot_device: the system {self.path} cannot boot from {device}; it allows {known}")
        durations = [_CONTINUOUS, _ONCE] if persistent else [_ONCE]
        if persistent and not self._allows_persistent():
            durations = [_ONCE]
        forms = [form for duration in durations for form in self._list_device_forms(target, duration)]
        sent = self._send_first_accepted(forms, name="boot_device", value=device)
        duration = sent.get(_ENABLED, self.boot.get(_ENABLED))
        return not persistent or (duration == _CONTINUOUS and not self._was_shortened())

    def set_mode(self, mode: BootMode) -> None:
        """Set the mode of the override. Raises NotSupported if the system does not allow the mode or has no mode."""
        wanted = next(theirs for theirs, ours in _BOOT_MODES.items() if ours is mode)
        allowed = self._list_allowed(_MODE)
        if allowed and wanted not in allowed:
            raise NotSupported(f"boot_mode: the system {self.path} does not allow {wanted}; it allows {', '.join(allowed)}")
        alone = {_MODE: wanted}
        full = {_TARGET: self._get(_TARGET) or "Pxe", _ENABLED: self._get(_ENABLED) or _ONCE, **alone}
        forms = [full, alone] if Quirk.BOOT_FULL_OVERRIDE in self.quirks else [alone, full]
        self._send_first_accepted(forms, name="boot_mode", value=mode)

    def _list_device_forms(self, target: str, duration: str) -> Iterator[dict[str, Any]]:
        """Yield the forms of a change of the device, the most likely one first."""
        short = {_TARGET: target, _ENABLED: duration}
        mode = self._get(_MODE)
        if not isinstance(mode, str) and Quirk.BOOT_FULL_OVERRIDE in self.quirks:
            mode = "UEFI"
        complete = {**short, _MODE: mode} if isinstance(mode, str) and Quirk.BOOT_WITHOUT_MODE not in self.quirks else None
        mode_first = bool(self.quirks & {Quirk.BOOT_FULL_OVERRIDE, Quirk.BOOT_MODE_WITH_TARGET})
        for form in (complete, short) if mode_first else (short, complete):
            if form is not None:
                yield form
        if self.boot.get(_ENABLED) == duration:
            # Some services refuse a duration that is already set: https://storyboard.openstack.org/#!/story/2007355
            yield {_TARGET: target}

    def _allows_persistent(self) -> bool:
        allowed = self._list_allowed(_ENABLED)
        return Quirk.BOOT_ONCE_ONLY not in self.quirks and (not allowed or _CONTINUOUS in allowed)

    def _was_shortened(self) -> bool:
        """Return whether the service accepted a persistent override, and reports one for the next boot only."""
        boot = self.session.transport.read_document(self.path).get("Boot")
        return get_nested(boot, _ENABLED) == _ONCE and _ENABLED not in self.pending

    def _send_first_accepted(self, forms: Iterable[dict[str, Any]], *, name: str, value: object) -> dict[str, Any]:
        """Send the forms of a change in order until the service accepts one, and return it.

        If it refuses all, the error of the first form is raised, with *name* and *value* of the setting.
        """
        first: sushy.exceptions.HTTPError | None = None
        for form in forms:
            try:
                self._send(form)
                return form
            except sushy.exceptions.HTTPError as exc:
                if exc.status_code not in _NEXT_FORM_STATUSES or is_busy(exc):
                    raise
                first = first or exc
        with translate_refusal(name, value):
            assert first is not None
            raise first

    def _send(self, values: Mapping[str, Any]) -> None:
        """Change the properties in the pending settings if those contain them, else in the system."""
        values = {**values, **self._clear_uri(values)}
        pending = {name: value for name, value in values.items() if name in self.pending}
        direct = {name: value for name, value in values.items() if name not in self.pending}
        if pending and self.pending_path is not None:
            self.session.transport.change(self.pending_path, {"Boot": pending})
        if direct:
            self.session.transport.change(self.path, {"Boot": direct})

    def _clear_uri(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the change that removes an earlier URL of a boot over HTTP, which a new target would otherwise keep."""
        return {_URI: None} if _TARGET in values and self._get(_URI) is not None else {}

    def _get(self, name: str) -> Any:
        value = self.boot.get(name)
        return self.pending.get(name) if value is None else value

    def _list_allowed(self, name: str) -> list[str]:
        """Return the values that the service lists as allowable for a property; empty if it lists none."""
        listed = self._get(f"{name}@Redfish.AllowableValues")
        return [value for value in listed if isinstance(value, str)] if isinstance(listed, list) else []


def _read_pending(session: RedfishSession, reference: Any) -> dict[str, Any] | None:
    """Return the document of the pending settings, or None if it is missing or the service fails to read it."""
    try:
        return follow(session, reference)
    except sushy.exceptions.HTTPError as exc:
        if isinstance(exc, sushy.exceptions.AccessError) or is_busy(exc):
            raise
        return None
