"""API resources for indicators (LEDs) of a machine, and for sending it a non-maskable interrupt (NMI)."""

from __future__ import annotations

from typing import Any, TypedDict
from urllib.parse import quote

from baremetal_interfaces import IndicatorState, InvalidInput, Problem
from baremetal_sdk.api.framework.parameters import Parameter
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import ValueType, choice
from baremetal_sdk.api.framework.views import Link, build_links

NMI_SINCE = 29
_STATES = choice(*(str(state) for state in IndicatorState if state is not IndicatorState.UNKNOWN))


def _parse_state(value: Any) -> str:
    """Return an indicator state in upper case. Clients send both cases."""
    return str(_STATES.parse(value.upper() if isinstance(value, str) else value))


_STATE = ValueType(_parse_state, _STATES.schema)


class Indicator(TypedDict):
    """An indicator (LED) of a component of a machine. *states* are those that clients can set."""

    name: str
    component: str
    readonly: bool
    states: list[str]
    links: list[Link]


class IndicatorList(TypedDict):
    """A response with the indicators of a machine."""

    indicators: list[Indicator]


class IndicatorStateDocument(TypedDict):
    """A response with the current state of an indicator."""

    state: IndicatorState


class NodeIndicatorsResource:
    """Routes that list, show and set indicators. The name of each is ``indicator@component``."""

    @route("GET", "/v1/nodes/{node}/management/indicators", policy="baremetal:node:get_indicator_state")
    def list(self, request: APIRequest) -> IndicatorList:
        """List the indicators (LEDs) of a node."""
        components = request.rpc("get_indicators", node=request.node().uuid)
        listed = [
            _render_indicator(request, component, indicator, properties)
            for component, indicators in components.items()
            for indicator, properties in indicators.items()
        ]
        return {"indicators": listed}

    @route("GET", "/v1/nodes/{node}/management/indicators/{indicator}", policy="baremetal:node:get_indicator_state")
    def show(self, request: APIRequest) -> IndicatorStateDocument:
        """Read the state of an indicator (LED) of a node from its BMC."""
        indicator, component = _split_name(request)
        state = request.rpc("get_indicator_state", node=request.node().uuid, component=component, indicator=indicator)
        return {"state": state}

    @route(
        "PUT",
        "/v1/nodes/{node}/management/indicators/{indicator}",
        policy="baremetal:node:set_indicator_state",
        role="owner-member",
        status=204,
        body=(Parameter("state", _STATE, "The new state.", required=True),),
    )
    def set(self, request: APIRequest) -> None:
        """Set the state of an indicator (LED) of a node."""
        indicator, component = _split_name(request)
        state = request.body["state"]
        request.rpc("set_indicator_state", node=request.node().uuid, component=component, indicator=indicator, state=state)


class NodeInterruptResource:
    """Route that sends non-maskable interrupts to machines."""

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
        """Send a non-maskable interrupt (NMI) to the machine of a node."""
        request.rpc("inject_nmi", node=request.node().uuid)


def _split_name(request: APIRequest) -> tuple[str, str]:
    """Return the indicator and the component that the path names. Raises ``InvalidInput``."""
    name = request.arguments["indicator"]
    indicator, _, component = name.partition("@")
    if not indicator or not component:
        wrong = f"{name[:64]!r} does not name an indicator of a component"
        raise InvalidInput([Problem("indicator", wrong, "use indicator@component from the list of indicators")])
    return indicator, component


def _render_indicator(request: APIRequest, component: str, indicator: str, properties: dict[str, Any]) -> Indicator:
    name = f"{indicator}@{component}"
    return {
        "name": name,
        "component": component,
        "readonly": properties.get("readonly", True),
        "states": [str(state) for state in properties.get("states", ())],
        "links": build_links(request.base, f"nodes/{request.arguments['node']}/management/indicators/{quote(name, safe='')}"),
    }
