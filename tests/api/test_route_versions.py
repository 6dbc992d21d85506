"""Each route at its first microversion and at the one before."""

from __future__ import annotations

import uuid
from typing import Any

from baremetal_sdk.api.v1.catalog import routes
from tests.api.machines import MachineAPITestCase
from tests.fixtures.api import APIResponse

NEWER = [route for route in routes() if route["since"] != "1.1"]
VERSION_ERRORS = ("is served since", "takes", "minimal required API version")
"""Parts of the errors for requests of earlier microversions."""
VALUES = {"ident": "led@system", "trait": "CUSTOM_X", "setting": "BootMode", "driver": "fake-hardware", "conductor": "host-1"}


class TestRouteVersions(MachineAPITestCase):
    def path(self, template: str) -> str:
        """Return a path with a value for each name in the template."""
        parts = (part.strip("{}") if part.startswith("{") else None for part in template.split("/"))
        known = {"node": self.uuid, **VALUES}
        filled = [
            known.get(name, str(uuid.uuid4())) if name else part for name, part in zip(parts, template.split("/"), strict=True)
        ]
        return "/".join(filled)

    def ask_route(self, route: dict[str, Any], minor: int) -> APIResponse:
        """Send a request to a route, with an empty body."""
        body = None if route["body"] is None or route["method"] in ("GET", "DELETE") else {}
        return self.request(route["method"], self.path(route["path"]), body, version=f"1.{minor}")

    def since(self, route: dict[str, Any]) -> int:
        return int(route["since"].partition(".")[2])

    def is_refused(self, route: dict[str, Any], response: APIResponse) -> bool:
        """Return whether the answer is the error for an earlier microversion."""
        if response.status < 400 or not response.raw:
            return False
        named = f"version {route['since']}" in response.message or f"should be {route['since']}" in response.message
        return named and any(words in response.message for words in VERSION_ERRORS)

    def test_route_is_refused_before_its_microversion(self) -> None:
        """One microversion earlier, the status is that of Ironic, and the error names the required version."""
        self.assertGreater(len(NEWER), 60)
        for route in NEWER:
            response = self.ask_route(route, self.since(route) - 1)
            self.assertEqual(route["too_old"], response.status, (route["method"], route["path"], response.raw))
            self.assertTrue(self.is_refused(route, response), (route["method"], route["path"], response.raw))

    def test_route_is_served_at_its_microversion(self) -> None:
        """At its first microversion a route never has an error about the version."""
        for route in NEWER:
            response = self.ask_route(route, self.since(route))
            self.assertFalse(self.is_refused(route, response), (route["method"], route["path"], response.raw))
            self.assertNotEqual(500, response.status, (route["method"], route["path"], response.raw))
            self.assertNotIn(response.status, (405, 406), (route["method"], route["path"], response.raw))

    def test_writes_to_newer_resources_get_405(self) -> None:
        """The status is 405 for early writes to allocations, deploy templates, runbooks and rules, and for PUT of traits."""
        written = ("/v1/allocations", "/v1/deploy_templates", "/v1/runbooks", "/v1/inspection_rules")
        for route in NEWER:
            top = "/".join(route["path"].split("/")[:3])
            is_resource = top in written and "traits" not in route["path"] and route["method"] != "GET"
            is_trait = route["path"].startswith("/v1/nodes/{node}/traits") and route["method"] == "PUT"
            if is_resource or is_trait:
                self.assertEqual(405, route["too_old"], route["path"])
