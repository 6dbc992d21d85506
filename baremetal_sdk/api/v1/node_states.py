"""``/v1/nodes/{node}/states``, ``/maintenance`` and ``/management``: what a node does, and what is done to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypedDict

from baremetal_interfaces import BootDevice, BootMode, NotFound, NotSupported, PowerState
from baremetal_sdk.api.access.personas import Persona
from baremetal_sdk.api.access.policy import step_rules
from baremetal_sdk.api.framework.parameters import Parameter, optional, too_new
from baremetal_sdk.api.framework.request import Call
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import BOOLEAN, OBJECT, choice, integer, text
from baremetal_sdk.api.framework.views import Shown
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
"""Asked as well where somebody sends steps of his own."""


class NodeStates:
    """States of a node, and requests to change them."""

    rules: ClassVar[Mapping[str, Persona]] = dict.fromkeys(_STEP_RULES.values(), "member")

    @route(
        "GET",
        "/v1/nodes/{node}/states",
        policy="baremetal:node:get_states",
        answer=Shown(STATES_VIEW, whole=True, linked=False),
    )
    def show(self, call: Call) -> dict[str, Any]:
        """Show the states of a node."""
        states = STATES_VIEW.whole(call.minor).record(call, call.node())
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
    def set_power(self, call: Call) -> None:
        """Change the power state of a node."""
        target = call.body["target"]
        if target in _SOFT and call.minor < _SOFT_SINCE:
            raise too_new(f"target {target!r}", _SOFT_SINCE)
        node = call.node()
        seconds = call.body.get("timeout")
        call.rpc("change_power_state", node=node.uuid, target=target, timeout=None if seconds is None else float(seconds))
        call.location = _states(call)

    @route(
        "PUT", "/v1/nodes/{node}/states/provision", policy="baremetal:node:set_provision_state", status=202, body=PROVISION_BODY
    )
    def provision(self, call: Call) -> None:
        """Start a change of the provision state of a node."""
        node = call.node()
        for name, rule in _STEP_RULES.items():
            if call.body.get(name) and not call.body.get("runbook"):
                call.allow(node, rule)
        verb, arguments = verb_and_arguments(call.body, call.minor)
        for name in ("deploy_steps", "clean_steps", "service_steps"):
            for rule in step_rules(arguments.get(name, ())):
                call.allow(node, rule)
        since = ABORTABLE_SINCE.get(node.provision_state, 1) if verb == "abort" else 1
        if call.minor < since:
            raise too_new(f"target 'abort' in state {node.provision_state!r}", since)
        if "runbook" in arguments:
            arguments["runbook"] = _usable_runbook(call, arguments["runbook"])
        call.rpc("change_provision_state", node=node.uuid, verb=verb, arguments=arguments)
        call.location = _states(call)

    @route(
        "PUT",
        "/v1/nodes/{node}/states/raid",
        policy="baremetal:node:set_raid_state",
        role="owner-member",
        status=204,
        since=12,
        too_old=406,
        body=OBJECT,
    )
    def set_raid(self, call: Call) -> None:
        """Set the RAID configuration that the next configuration of the machine brings about."""
        node = call.node()
        try:
            call.rpc("set_target_raid_config", node=node.uuid, target_raid_config=call.body)
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
    def set_boot_mode(self, call: Call) -> None:
        """Change the boot mode of a node."""
        call.rpc("set_boot_mode", node=call.node().uuid, mode=call.body["target"])
        call.location = _states(call)

    @route(
        "PUT",
        "/v1/nodes/{node}/states/secure_boot",
        policy="baremetal:node:set_secure_boot",
        role="leased-member",
        status=202,
        since=_BOOT_MODE_SINCE,
        body=(Parameter("target", BOOLEAN, "Whether secure boot is to be on.", required=True),),
    )
    def set_secure_boot(self, call: Call) -> None:
        """Turn secure boot of a node on or off."""
        call.rpc("set_secure_boot", node=call.node().uuid, enabled=call.body["target"])
        call.location = _states(call)


def _usable_runbook(call: Call, ident: str) -> str:
    """The UUID of a runbook that the caller may use; a public one is used as one's own. Raises ``Forbidden``."""
    runbook = call.backend.store.record(RunbookRecord, ident, scope=call.scope)
    owner = call.context.project if runbook.public else runbook.owner
    call.policy.enforce(USE, call.context, {"runbook.uuid": runbook.uuid, "runbook.owner": owner})
    return runbook.uuid


class NodeMaintenance:
    """Whether somebody works on the machine."""

    @route(
        "PUT",
        "/v1/nodes/{node}/maintenance",
        policy="baremetal:node:set_maintenance",
        status=202,
        body=(optional("reason", text(4096), "Why."),),
    )
    def enter(self, call: Call) -> None:
        """Put a node in maintenance."""
        call.rpc("set_maintenance", node=call.node().uuid, maintenance=True, reason=call.body.get("reason"))

    @route("DELETE", "/v1/nodes/{node}/maintenance", policy="baremetal:node:clear_maintenance", status=202)
    def leave(self, call: Call) -> None:
        """Take a node out of maintenance."""
        call.rpc("set_maintenance", node=call.node().uuid, maintenance=False, reason=None)


class BootsFrom(TypedDict):
    """What a machine boots from, as far as its BMC says."""

    boot_device: str | None
    persistent: bool | None


class BootDevices(TypedDict):
    """What a machine can boot from."""

    supported_boot_devices: list[str]


class NodeManagement:
    """What the management interface of a node does at once."""

    @route("GET", "/v1/nodes/{node}/management/boot_device", policy="baremetal:node:get_boot_device", role="owner-manager")
    def boot_device(self, call: Call) -> BootsFrom:
        """Tell what a machine boots from."""
        found: BootsFrom = call.rpc("get_boot_device", node=call.node().uuid)
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
    def set_boot_device(self, call: Call) -> None:
        """Set what a machine boots from."""
        persistent = bool(call.body.get("persistent"))
        call.rpc("set_boot_device", node=call.node().uuid, device=call.body["boot_device"], persistent=persistent)

    @route(
        "GET",
        "/v1/nodes/{node}/management/boot_device/supported",
        policy="baremetal:node:get_boot_device",
        role="owner-manager",
    )
    def supported_boot_devices(self, call: Call) -> BootDevices:
        """Tell what a machine can boot from."""
        return {"supported_boot_devices": call.rpc("get_supported_boot_devices", node=call.node().uuid)}


def _states(call: Call) -> str:
    return f"nodes/{call.arguments['node']}/states"
