"""An API that knows its callers, who they are being said in the WSGI environment as authentication says it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from baremetal_sdk.api.access.policy import Policy
from baremetal_sdk.api.app import role_policy, unauthenticated_api
from baremetal_sdk.auth import IDENTITY_KEY, Identity
from baremetal_sdk.store.records.node import NodeRecord
from baremetal_sdk.store.records.query import NodeQuery
from tests.api.world import LATEST, Answer, APITestCase, FakeConductor

ROLES = ("reader", "operator", "admin")


def system(*roles: str) -> Identity:
    """Somebody who acts for the whole system."""
    return Identity("-".join(("system", *roles)), roles=frozenset(roles), is_system=True)


def member(project: str, *roles: str, project_name: str | None = None) -> Identity:
    """Somebody who acts for a project."""
    return Identity("-".join((project, *roles)), project, frozenset(roles), project_name=project_name)


class RememberingConductor(FakeConductor):
    """Remembers the names of what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def call(self, method: str, /, **arguments: Any) -> Any:
        """Do it."""
        self.asked.append(method)
        return super().call(method, **arguments)


class RBACTestCase(APITestCase):
    """The node ``m1`` is owned by the project ``owner`` and leased by ``lessee``."""

    who: Identity = system("admin")

    def setUp(self) -> None:
        super().setUp()
        self.conductor: RememberingConductor = RememberingConductor()
        inner = unauthenticated_api(self.conductor, self.who_may())

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            return inner({**environ, IDENTITY_KEY: self.who}, start_response)

        self.app = app
        self.enrol()

    def who_may(self) -> Policy:
        """The policy."""
        return role_policy()

    def enrol(self, **values: Any) -> NodeRecord:
        """Store the node, if it is not there."""
        for row in self.conductor.store.nodes(NodeQuery(where={"name": "m1"})):
            return self.conductor.store.node(row.uuid)
        given = {"uuid": str(uuid4()), "name": "m1", "driver": "fake-hardware", "owner": "owner", "lessee": "lessee", **values}
        return self.conductor.store.create_node(NodeRecord(**given), fence=None)

    def ask(self, who: Identity, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send a request of somebody."""
        self.who = who
        return self.request(method, path, body, version=LATEST, **headers)
