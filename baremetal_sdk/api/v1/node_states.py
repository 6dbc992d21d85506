"""API resources for states of a node: power, provision state, RAID, boot mode, maintenance and boot device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, ClassVar, TypedDict

from baremetal_interfaces import BareMetalError, BootDevice, BootMode, NotFound, NotSupported, PowerState
from baremetal_sdk.api.access.personas import Persona
from baremetal_sdk.api.access.policy import step_rules
from baremetal_sdk.api.framework import json_body
from baremetal_sdk.api.framework.parameters import Parameter, not_acceptable_before, optional
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import BOOLEAN, OBJECT, choice, integer, text
from baremetal_sdk.api.framework.views import ResponseSpec
from baremetal_sdk.api.v1.node_view import STATES_VIEW
from baremetal_sdk.api.v1.provision_verbs import ABORTABLE_SINCE, PROVISION_BODY, parse_provision_body
from baremetal_sdk.api.v1.runbooks import USE
from baremetal_sdk.store.large_values import CONFIG_DRIVE, MAX_INLINE_CHARS, LargeValues
from baremetal_sdk.store.records.policy import RunbookRecord

_POWER_TARGETS = tuple(str(state) for state in PowerState if state is not PowerState.UNKNOWN)
_SOFT_POWER_SINCE = 27
"""The minor number of the first microversion with soft power states and a timeout."""
_SOFT_POWER_TARGETS = frozenset({str(PowerState.SOFT_OFF), str(PowerState.SOFT_REBOOT)})
_BOOT_MODE_SINCE = 76
POWER_BODY = (
    Parameter("target", choice(*_POWER_TARGETS), "The requested power state.", required=True),
    optional(
        "timeout",
        integer(minimum=1),
        "The maximum number of seconds until the machine reaches the power state. The default depends on the driver.",
        _SOFT_POWER_SINCE,
    ),
)


_STEP_RULES = {name: f"baremetal:node:set_provision_state:{name}" for name in ("clean_steps", "service_steps")}
"""Field of the body -> the additional rule for requests that contain their own list of steps."""


class NodeStatesResource:
    """Routes that show the states of nodes and request changes of them."""

    rules: ClassVar[Mapping[str, Persona]] = dict.fromkeys(_STEP_RULES.values(), "member")

    @route(
        "GET",
        "/v1/nodes/{node}/states",
        policy="baremetal:node:get_states",
        response=ResponseSpec(STATES_VIEW, whole=True, linked=False),
    )
    def show(self, request: APIRequest) -> dict[str, Any]:
        """Show the current and target states of a node: power, provisioning, console, RAID and boot mode."""
        states = STATES_VIEW.whole(request.minor).record(request, request.node())
        del states["links"]
        return states

    @route(
        "PUT",
        "/v1/nodes/{node}/states/power",
        policy="baremetal:node:set_power_state",
        role="leased-member",
        status=202,
        body=POWER_BODY,
    )
    def set_power(self, request: APIRequest) -> None:
        """Change the power state of a node in the background."""
        target = request.body["target"]
        if target in _SOFT_POWER_TARGETS and request.minor < _SOFT_POWER_SINCE:
            raise not_acceptable_before(f"target {target!r}", _SOFT_POWER_SINCE)
        node = request.node()
        seconds = request.body.get("timeout")
        request.rpc("change_power_state", node=node.uuid, target=target, timeout=None if seconds is None else float(seconds))
        request.location = _states_path(request)

    @route(
        "PUT", "/v1/nodes/{node}/states/provision", policy="baremetal:node:set_provision_state", status=202, body=PROVISION_BODY
    )
    def provision(self, request: APIRequest) -> None:
        """Run a provision verb on a node, such as manage or active. The provision state changes in the background."""
        node = request.node()
        verb, arguments = parse_provision_body(request.body, request.minor)
        for name, rule in _STEP_RULES.items():
            if name in arguments:
                request.enforce(node, rule)
        for name in ("deploy_steps", "clean_steps", "service_steps"):
            for rule in step_rules(arguments.get(name, ())):
                request.enforce(node, rule)
        since = ABORTABLE_SINCE.get(node.provision_state, 1) if verb == "abort" else 1
        if request.minor < since:
            raise not_acceptable_before(f"target 'abort' in state {node.provision_state!r}", since)
        if "runbook" in arguments:
            arguments["runbook"] = _find_usable_runbook(request, arguments["runbook"])
        with _stored_apart(request, node.uuid, arguments) as sent:
            request.rpc("change_provision_state", node=node.uuid, verb=verb, arguments=sent)
        request.location = _states_path(request)

    @route(
        "PUT",
        "/v1/nodes/{node}/states/raid",
        policy="baremetal:node:set_raid_state",
        role="owner-member",
        status=204,
        since=12,
        too_old_status=406,
        policy_first=True,
        body=OBJECT,
    )
    def set_raid(self, request: APIRequest) -> None:
        """Store the target RAID configuration of a node. The RAID steps of cleaning or deployment apply it."""
        node = request.node()
        try:
            request.rpc("set_target_raid_config", node=node.uuid, target_raid_config=request.body)
        except NotSupported as exc:
            # Ironic answers 404 if the node has no RAID interface, and clients expect that.
            raise NotFound(exc.message) from exc

    @route(
        "PUT",
        "/v1/nodes/{node}/states/boot_mode",
        policy="baremetal:node:set_boot_mode",
        role="leased-member",
        status=202,
        since=_BOOT_MODE_SINCE,
        policy_first=True,
        body=(Parameter("target", choice(*map(str, BootMode)), "The requested boot mode.", required=True),),
    )
    def set_boot_mode(self, request: APIRequest) -> None:
        """Change the boot mode of a node in the background."""
        request.rpc("set_boot_mode", node=request.node().uuid, mode=request.body["target"])
        request.location = _states_path(request)

    @route(
        "PUT",
        "/v1/nodes/{node}/states/secure_boot",
        policy="baremetal:node:set_secure_boot",
        role="leased-member",
        status=202,
        since=_BOOT_MODE_SINCE,
        policy_first=True,
        body=(Parameter("target", BOOLEAN, "True to turn secure boot on, false to turn it off.", required=True),),
    )
    def set_secure_boot(self, request: APIRequest) -> None:
        """Turn secure boot of a node on or off in the background."""
        request.rpc("set_secure_boot", node=request.node().uuid, enabled=request.body["target"])
        request.location = _states_path(request)


@contextmanager
def _stored_apart(request: APIRequest, node: str, arguments: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Store a large config drive, yield the *arguments* with a reference to it, and delete it if the block is refused.

    So neither messages to conductors nor the node contain it.
    """
    drive = arguments.get(CONFIG_DRIVE)
    if drive is None or len(json_body.dump(drive)) <= MAX_INLINE_CHARS:
        yield arguments
        return
    values = LargeValues(request.backend.store)
    reference = values.save(node, CONFIG_DRIVE, drive)
    try:
        yield {**arguments, CONFIG_DRIVE: reference}
    except BareMetalError as exc:
        # After other errors the conductor may still deploy the node. The next deployment or deletion removes the drive.
        if exc.code < HTTPStatus.INTERNAL_SERVER_ERROR:
            values.delete(node, reference)
        raise


def _find_usable_runbook(request: APIRequest, ident: str) -> str:
    """Return the UUID of the runbook *ident* (a UUID or name). Raises ``Forbidden`` if the caller may not use it.

    The policy treats a public runbook as if the caller's project owned it.
    """
    runbook = request.backend.store.record(RunbookRecord, ident, scope=request.scope)
    owner = request.context.project if runbook.public else runbook.owner
    request.policy.enforce(USE, request.context, {"runbook.uuid": runbook.uuid, "runbook.owner": owner})
    return runbook.uuid


class NodeMaintenanceResource:
    """Routes that put nodes into maintenance and take them out."""

    @route(
        "PUT",
        "/v1/nodes/{node}/maintenance",
        policy="baremetal:node:set_maintenance",
        status=202,
        body=(optional("reason", text(4096), "The reason for the maintenance."),),
    )
    def enter(self, request: APIRequest) -> None:
        """Put a node into maintenance, so that the service does not change its machine."""
        request.rpc("set_maintenance", node=request.node().uuid, maintenance=True, reason=request.body.get("reason"))

    @route("DELETE", "/v1/nodes/{node}/maintenance", policy="baremetal:node:clear_maintenance", status=202)
    def leave(self, request: APIRequest) -> None:
        """Take a node out of maintenance and clear its fault."""
        request.rpc("set_maintenance", node=request.node().uuid, maintenance=False, reason=None)


class BootDeviceBody(TypedDict):
    """A response with the boot device that the BMC reports. A field is null if the BMC does not report it."""

    boot_device: str | None
    persistent: bool | None


class SupportedBootDevices(TypedDict):
    """A response with the boot devices that a machine supports."""

    supported_boot_devices: list[str]


class NodeManagementResource:
    """Routes that show and set the boot devices of nodes."""

    @route("GET", "/v1/nodes/{node}/management/boot_device", policy="baremetal:node:get_boot_device", role="owner-manager")
    def boot_device(self, request: APIRequest) -> BootDeviceBody:
        """Read the boot device of a node from its BMC."""
        boot_device: BootDeviceBody = request.rpc("get_boot_device", node=request.node().uuid)
        return boot_device

    @route(
        "PUT",
        "/v1/nodes/{node}/management/boot_device",
        policy="baremetal:node:set_boot_device",
        role="owner-manager",
        status=204,
        body=(
            Parameter("boot_device", choice(*map(str, BootDevice)), "The new boot device.", required=True),
            optional(
                "persistent", BOOLEAN, "True to use the device for all boots, false for the next boot only. The default is false."
            ),
        ),
    )
    def set_boot_device(self, request: APIRequest) -> None:
        """Set the boot device of a node."""
        persistent = bool(request.body.get("persistent"))
        request.rpc("set_boot_device", node=request.node().uuid, device=request.body["boot_device"], persistent=persistent)

    @route(
        "GET",
        "/v1/nodes/{node}/management/boot_device/supported",
        policy="baremetal:node:get_boot_device",
        role="owner-manager",
    )
    def supported_boot_devices(self, request: APIRequest) -> SupportedBootDevices:
        """List the boot devices that a node supports."""
        return {"supported_boot_devices": request.rpc("get_supported_boot_devices", node=request.node().uuid)}


def _states_path(request: APIRequest) -> str:
    return f"nodes/{request.arguments['node']}/states"
