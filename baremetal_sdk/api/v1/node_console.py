"""``/v1/nodes/{node}/states/console``: the console of a machine."""

from __future__ import annotations

from typing import TypedDict

from baremetal_sdk.api.framework.parameters import Parameter
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import BOOLEAN


class ConsoleInfo(TypedDict):
    """How to reach a console."""

    type: str
    url: str


class Console(TypedDict):
    """Whether a console is started, and how to reach it then."""

    console_enabled: bool
    console_info: ConsoleInfo | None


class NodeConsoleResource:
    """Consoles. The paths with the node at their end are those that older clients use."""

    @route("GET", "/v1/nodes/{node}/states/console", policy="baremetal:node:get_console", role="owner-member")
    @route("GET", "/v1/nodes/states/console/{node}", policy="baremetal:node:get_console", role="owner-member")
    def show(self, request: APIRequest) -> Console:
        """Tell whether the console of a node is started, and how to reach it."""
        found: Console = request.rpc("get_console", node=request.node().uuid)
        return found

    @route(
        "PUT",
        "/v1/nodes/{node}/states/console",
        policy="baremetal:node:set_console_state",
        role="owner-member",
        status=202,
        body=(Parameter("enabled", BOOLEAN, "Whether the console is to be started or stopped.", required=True),),
    )
    def set(self, request: APIRequest) -> None:
        """Start or stop the console of a node."""
        request.rpc("set_console", node=request.node().uuid, enabled=request.body["enabled"])
        request.location = f"nodes/{request.arguments['node']}/states/console"
