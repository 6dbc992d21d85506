"""``/v1/nodes/{node}/states``, ``/maintenance`` and ``/management``: what a node does, and what is done to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypedDict

from baremetal_interfaces import BootDevice, BootMode, NotFound, NotSupported, PowerState
from baremetal_sdk.api.access.personas import Persona
from baremetal_sdk.api.access.policy import step_rules
from baremetal_sdk.api.framework.parameters import Parameter, not_acceptable_before, optional
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import BOOLEAN, OBJECT, choice, integer, text
from baremetal_sdk.api.framework.views import ResponseSpec
from baremetal_sdk.api.v1.node_view import STATES_VIEW
from baremetal_sdk.api.v1.provision_verbs import ABORTABLE_SINCE, PROVISION_BODY, verb_and_arguments
from baremetal_sdk.api.v1.runbooks import USE
from baremetal_sdk.store.records.policy import RunbookRecord

_POWER_TARGETS = tuple(str(state) for state in PowerState if state is not PowerState.UNKNOWN)
_SOFT_SINCE = 27
_SOFT = frozenset({str(PowerState.SOFT_OFF), str(PowerState.SOFT_REBOOT)})
_BOOT_MODE_SINCE = 76
POWER_BODY = (
    Parameter("target", choice(*_POWER_TARGETS), "The power state to reach.", required=True),
    optional("timeout", integer(minimum=1), "Seconds to reach it in.", _SOFT_SINCE),
)


_STEP_RULES = {name: f"baremetal:node:set_provision_state:{name}" for name in ("clean_steps", "service_steps")}
"""AuditedRequest as well where somebody sends steps of his own."""


class NodeStatesResource:
    """States of a node, and requests to change them."""

    rules: ClassVar[Mapping[str, Persona]] = dict.fromkeys(_STEP_RULES.values(), "member")

    @route(
        "GET",
        "/v1/nodes/{node}/states",
        policy="baremetal:node:get_states",
        response=ResponseSpec(STATES_VIEW, whole=True, linked=False),
    )
    def show(self, request: APIRequest) -> dict[str, Any]:
        """Show the states of a node."""
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
        """Change the power state of a node."""
        target = request.body["target"]
        if target in _SOFT and request.minor < _SOFT_SINCE:
            raise not_acceptable_before(f"target {target!r}", _SOFT_SINCE)
        node = request.node()
        seconds = request.body.get("timeout")
        request.rpc("change_power_state", node=node.uuid, target=target, timeout=None if seconds is None else float(seconds))
        request.location = _states(request)

    @route(
        "PUT", "/v1/nodes/{node}/states/provision", policy="baremetal:node:set_provision_state", status=202, body=PROVISION_BODY
    )
    def provision(self, request: APIRequest) -> None:
        """Start a change of the provision state of a node."""
        node = request.node()
        for name, rule in _STEP_RULES.items():
            if request.body.get(name) and not request.body.get("runbook"):
                request.enforce(node, rule)
        verb, arguments = verb_and_arguments(request.body, request.minor)
        for name in ("deploy_steps", "clean_steps", "service_steps"):
            for rule in step_rules(arguments.get(name, ())):
                request.enforce(node, rule)
        since = ABORTABLE_SINCE.get(node.provision_state, 1) if verb == "abort" else 1
        if request.minor < since:
            raise not_acceptable_before(f"target 'abort' in state {node.provision_state!r}", since)
        if "runbook" in arguments:
            arguments["runbook"] = _usable_runbook(request, arguments["runbook"])
        request.rpc("change_provision_state", node=node.uuid, verb=verb, arguments=arguments)
        request.location = _states(request)

    @route(
        "PUT",
        "/v1/nodes/{node}/states/raid",
        policy="baremetal:node:set_raid_state",
        role="owner-member",
        status=204,
        since=12,
        too_old_status=406,
        body=OBJECT,
    )
    def set_raid(self, request: APIRequest) -> None:
        """Set the RAID configuration that the next configuration of the machine brings about."""
        node = request.node()
        try:
            request.rpc("set_target_raid_config", node=node.uuid, target_raid_config=request.body)
        except NotSupported as exc:
            # Clients know it as something that is not there.
            raise NotFound(exc.message) from exc

    @route(
        "PUT",
        "/v1/nodes/{node}/states/boot_mode",
        policy="baremetal:node:set_boot_mode",
        role="leased-member",
        status=202,
        since=_BOOT_MODE_SINCE,
        body=(Parameter("target", choice(*map(str, BootMode)), "The boot mode to set.", required=True),),
    )
    def set_boot_mode(self, request: APIRequest) -> None:
        """Change the boot mode of a node."""
        request.rpc("set_boot_mode", node=request.node().uuid, mode=request.body["target"])
        request.location = _states(request)

    @route(
        "PUT",
        "/v1/nodes/{node}/states/secure_boot",
        policy="baremetal:node:set_secure_boot",
        role="leased-member",
        status=202,
        since=_BOOT_MODE_SINCE,
        body=(Parameter("target", BOOLEAN, "Whether secure boot is to be on.", required=True),),
    )
    def set_secure_boot(self, request: APIRequest) -> None:
        """Turn secure boot of a node on or off."""
        request.rpc("set_secure_boot", node=request.node().uuid, enabled=request.body["target"])
        request.location = _states(request)


def _usable_runbook(request: APIRequest, ident: str) -> str:
    """The UUID of a runbook that the caller may use; a public one is used as one's own. Raises ``Forbidden``."""
    runbook = request.backend.store.record(RunbookRecord, ident, scope=request.scope)
    owner = request.context.project if runbook.public else runbook.owner
    request.policy.enforce(USE, request.context, {"runbook.uuid": runbook.uuid, "runbook.owner": owner})
    return runbook.uuid


class NodeMaintenanceResource:
    """Whether somebody works on the machine."""

    @route(
        "PUT",
        "/v1/nodes/{node}/maintenance",
        policy="baremetal:node:set_maintenance",
        status=202,
        body=(optional("reason", text(4096), "Why."),),
    )
    def enter(self, request: APIRequest) -> None:
        """Put a node in maintenance."""
        request.rpc("set_maintenance", node=request.node().uuid, maintenance=True, reason=request.body.get("reason"))

    @route("DELETE", "/v1/nodes/{node}/maintenance", policy="baremetal:node:clear_maintenance", status=202)
    def leave(self, request: APIRequest) -> None:
        """Take a node out of maintenance."""
        request.rpc("set_maintenance", node=request.node().uuid, maintenance=False, reason=None)


class BootsFrom(TypedDict):
    """What a machine boots from, as far as its BMC says."""

    boot_device: str | None
    persistent: bool | None


class BootDevices(TypedDict):
    """What a machine can boot from."""

    supported_boot_devices: list[str]


class NodeManagementResource:
    """What the management interface of a node does at once."""

    @route("GET", "/v1/nodes/{node}/management/boot_device", policy="baremetal:node:get_boot_device", role="owner-manager")
    def boot_device(self, request: APIRequest) -> BootsFrom:
        """Tell what a machine boots from."""
        found: BootsFrom = request.rpc("get_boot_device", node=request.node().uuid)
        return found

    @route(
        "PUT",
        "/v1/nodes/{node}/management/boot_device",
        policy="baremetal:node:set_boot_device",
        role="owner-manager",
        status=204,
        body=(
            Parameter("boot_device", choice(*map(str, BootDevice)), "What to boot from.", required=True),
            optional("persistent", BOOLEAN, "Whether every boot is meant, and not the next one only."),
        ),
    )
    def set_boot_device(self, request: APIRequest) -> None:
        """Set what a machine boots from."""
        persistent = bool(request.body.get("persistent"))
        request.rpc("set_boot_device", node=request.node().uuid, device=request.body["boot_device"], persistent=persistent)

    @route(
        "GET",
        "/v1/nodes/{node}/management/boot_device/supported",
        policy="baremetal:node:get_boot_device",
        role="owner-manager",
    )
    def supported_boot_devices(self, request: APIRequest) -> BootDevices:
        """Tell what a machine can boot from."""
        return {"supported_boot_devices": request.rpc("get_supported_boot_devices", node=request.node().uuid)}


def _states(request: APIRequest) -> str:
    return f"nodes/{request.arguments['node']}/states"
