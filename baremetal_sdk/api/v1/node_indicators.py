"""``/v1/nodes/{node}/management/indicators`` and ``/inject_nmi``: lights, and the interrupt that stops a machine."""

from __future__ import annotations

from typing import Any, TypedDict

from baremetal_interfaces import IndicatorState, InvalidInput, Problem
from baremetal_sdk.api.framework.parameters import Parameter
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import ValueType, choice
from baremetal_sdk.api.framework.views import Link, links

NMI_SINCE = 29
_STATES = choice(*(str(state) for state in IndicatorState if state is not IndicatorState.UNKNOWN))


def _state(value: Any) -> str:
    """Clients write states in capitals or not."""
    return str(_STATES.parse(value.upper() if isinstance(value, str) else value))


_STATE = ValueType(_state, _STATES.schema)


class Light(TypedDict):
    """A light, and the states that it can be set to."""

    name: str
    component: str
    readonly: bool
    states: list[str]
    links: list[Link]


class Lights(TypedDict):
    """The lights of a machine."""

    indicators: list[Light]


class LightState(TypedDict):
    """The state of one light."""

    state: IndicatorState


class NodeIndicatorsResource:
    """Lights, each named ``indicator@component``."""

    @route("GET", "/v1/nodes/{node}/management/indicators", policy="baremetal:node:get_indicator_state")
    def list(self, request: APIRequest) -> Lights:
        """List the lights of a machine."""
        found = request.rpc("get_indicators", node=request.node().uuid)
        return {
            "indicators": [
                _shown(request, component, f"{indicator}@{component}", offer)
                for component, lights in found.items()
                for indicator, offer in lights.items()
            ]
        }

    @route("GET", "/v1/nodes/{node}/management/indicators/{indicator}", policy="baremetal:node:get_indicator_state")
    def show(self, request: APIRequest) -> LightState:
        """Tell the state of one light."""
        indicator, component = _parts(request)
        return {"state": request.rpc("get_indicator_state", node=request.node().uuid, component=component, indicator=indicator)}

    @route(
        "PUT",
        "/v1/nodes/{node}/management/indicators/{indicator}",
        policy="baremetal:node:set_indicator_state",
        role="owner-member",
        status=204,
        body=(Parameter("state", _STATE, "The state to set.", required=True),),
    )
    def set(self, request: APIRequest) -> None:
        """Set one light."""
        indicator, component = _parts(request)
        state = request.body["state"]
        request.rpc("set_indicator_state", node=request.node().uuid, component=component, indicator=indicator, state=state)


class NodeInterruptResource:
    """Non-maskable interrupts."""

    @route(
        "PUT",
        "/v1/nodes/{node}/management/inject_nmi",
        policy="baremetal:node:inject_nmi",
        role="owner-manager",
        status=204,
        since=NMI_SINCE,
        body=(),
    )
    def inject(self, request: APIRequest) -> None:
        """Send a non-maskable interrupt to a machine."""
        request.rpc("inject_nmi", node=request.node().uuid)


def _parts(request: APIRequest) -> tuple[str, str]:
    named = request.arguments["indicator"]
    indicator, at, component = named.partition("@")
    if not (indicator and at and component):
        wrong = f"{named[:64]!r} does not name an indicator of a component"
        raise InvalidInput([Problem("indicator", wrong, "give indicator@component, as the list of indicators has it")])
    return indicator, component


def _shown(request: APIRequest, component: str, name: str, offer: dict[str, Any]) -> Light:
    return {
        "name": name,
        "component": component,
        "readonly": offer.get("readonly", True),
        "states": [str(state) for state in offer.get("states", ())],
        "links": links(request.base, f"nodes/{request.arguments['node']}/management/indicators/{name}"),
    }
