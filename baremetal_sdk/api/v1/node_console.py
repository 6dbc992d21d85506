"""API resource ``/v1/nodes/{node}/states/console``: the serial console of a node."""

from __future__ import annotations

from typing import TypedDict

from baremetal_sdk.api.framework.parameters import Parameter
from baremetal_sdk.api.framework.request import APIRequest
from baremetal_sdk.api.framework.routes import route
from baremetal_sdk.api.framework.types import BOOLEAN


class ConsoleInfo(TypedDict):
    """The type of a console and the URL at which clients reach it."""

    type: str
    url: str


class Console(TypedDict):
    """A response with the state of a console. *console_info* is null if the console is stopped."""

    console_enabled: bool
    console_info: ConsoleInfo | None


class NodeConsoleResource:
    """Routes that show, start and stop consoles of nodes. The path that ends with the node is for older clients."""

    @route("GET", "/v1/nodes/{node}/states/console", policy="baremetal:node:get_console", role="owner-member")
    @route("GET", "/v1/nodes/states/console/{node}", policy="baremetal:node:get_console", role="owner-member")
    def show(self, request: APIRequest) -> Console:
        """Show whether the serial console of a node is started, and its address."""
        console: Console = request.rpc("get_console", node=request.node().uuid)
        return console

    @route(
        "PUT",
        "/v1/nodes/{node}/states/console",
        policy="baremetal:node:set_console_state",
        role="owner-member",
        status=202,
        body=(Parameter("enabled", BOOLEAN, "True to start the console, false to stop it.", required=True),),
    )
    def set(self, request: APIRequest) -> None:
        """Start or stop the serial console of a node in the background."""
        request.rpc("set_console", node=request.node().uuid, enabled=request.body["enabled"])
        request.location = f"nodes/{request.arguments['node']}/states/console"
