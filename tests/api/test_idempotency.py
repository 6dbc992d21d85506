"""Requests that their clients repeat."""

from __future__ import annotations

from typing import Any

from baremetal_interfaces import Busy
from baremetal_sdk.api import bare_metal_api
from baremetal_sdk.conductor.pruning import Pruner
from baremetal_sdk.errors import StoreUnavailable
from baremetal_sdk.store.records.node import NodeRecord
from tests.fixtures.api import Answer, APITestCase
from tests.fixtures.api_access import RBACTestCase, member, system

NODE = {"driver": "fake-hardware"}


class TestIdempotency(APITestCase):
    """``Idempotency-Key`` on POST."""

    def test_a_repeated_request_is_done_once(self) -> None:
        """The second one is answered as the first one was, and makes nothing."""
        first, again = (self.request("POST", "/v1/nodes", NODE, Idempotency_Key="a") for _ in range(2))
        self.assertEqual((201, first.json, first.headers["Location"]), (again.status, again.json, again.headers["Location"]))
        self.assertEqual(1, len(self.get("/v1/nodes")["nodes"]))
        self.request("POST", "/v1/nodes", NODE, Idempotency_Key="b")
        self.request("POST", "/v1/nodes", NODE)
        self.assertEqual(3, len(self.get("/v1/nodes")["nodes"]))

    def test_a_key_belongs_to_one_request(self) -> None:
        """Another request with the same key is refused and does nothing; what is no key is refused as well."""
        self.request("POST", "/v1/nodes", NODE, Idempotency_Key="a")
        self.assert_refused(self.request("POST", "/v1/nodes", {**NODE, "name": "x"}, Idempotency_Key="a"), 422, "Idempotency-Key")
        self.assert_refused(self.request("POST", "/v1/nodes", NODE, Idempotency_Key="x" * 256), 400, "Idempotency-Key")
        self.assertEqual(1, len(self.get("/v1/nodes")["nodes"]))

    def test_a_key_is_that_of_its_path(self) -> None:
        """The same key of the same caller elsewhere is another key."""
        many = {"nodes": [NODE, NODE]}
        for path, body, status in (("/v1/nodes", NODE, 201), ("/v1/bulk/nodes", many, 200), ("/v1/bulk/nodes", many, 200)):
            self.assertEqual(status, self.request("POST", path, body, Idempotency_Key="a").status)
        self.assertEqual(3, len(self.get("/v1/nodes")["nodes"]))

    def test_what_failed_can_be_tried_again(self) -> None:
        """A request that was refused is done when it is repeated."""
        self.conductor.failing["create_node"] = Busy("not now", retry_after=1.0)
        self.assert_refused(self.request("POST", "/v1/nodes", NODE, Idempotency_Key="a"), 503)
        del self.conductor.failing["create_node"]
        self.assertEqual(201, self.request("POST", "/v1/nodes", NODE, Idempotency_Key="a").status)

    def test_any_process_knows_an_answer(self) -> None:
        """Another API on the same store, or the same after a restart, gives the answer that was given, and does nothing."""
        first = self.request("POST", "/v1/nodes", NODE, Idempotency_Key="a")
        self.app = bare_metal_api(self.conductor)
        again = self.request("POST", "/v1/nodes", NODE, Idempotency_Key="a")
        self.assertEqual((201, first.json, first.headers["Location"]), (again.status, again.json, again.headers["Location"]))
        self.assertEqual(1, len(self.get("/v1/nodes")["nodes"]))

    def test_one_of_two_at_the_same_time_waits(self) -> None:
        """While the first one is still being answered, the same request is told when to come back, at any process."""
        other = bare_metal_api(self.conductor)
        meanwhile: list[Answer] = []

        def create(**values: Any) -> Any:
            self.app, app = other, self.app
            meanwhile.append(self.request("POST", "/v1/nodes", NODE, Idempotency_Key="a"))
            self.app = app
            return self.conductor.store.create_node(NodeRecord(**values["values"]), fence=None)

        self.conductor._create_node = create  # type: ignore[method-assign]
        self.assertEqual(201, self.request("POST", "/v1/nodes", NODE, Idempotency_Key="a").status)
        self.assert_refused(meanwhile[0], 409, "still in progress")
        self.assertEqual("1", meanwhile[0].headers["Retry-After"])
        self.assertEqual(1, len(self.get("/v1/nodes")["nodes"]))

    def test_a_process_that_died_does_not_keep_a_key(self) -> None:
        """What is still being answered after minutes was lost with its process, and is done by the next who asks."""
        self.conductor.failing["create_node"] = SystemExit("killed")  # type: ignore[assignment]
        self.conductor.store.delete_record = self.unreachable  # type: ignore[method-assign]
        self.assertRaises(SystemExit, self.request, "POST", "/v1/nodes", NODE, Idempotency_Key="a")
        del self.conductor.failing["create_node"]
        self.assertEqual(409, self.request("POST", "/v1/nodes", NODE, Idempotency_Key="a").status)
        self.assertEqual(422, self.request("POST", "/v1/nodes", {**NODE, "name": "x"}, Idempotency_Key="a").status)
        self.conductor.clock.turn(301)
        self.assertEqual(201, self.request("POST", "/v1/nodes", NODE, Idempotency_Key="a").status)
        self.assertEqual(201, self.request("POST", "/v1/nodes", NODE, Idempotency_Key="a").status)
        self.assertEqual(1, len(self.get("/v1/nodes")["nodes"]))

    def unreachable(self, *_: Any, **__: Any) -> None:
        raise StoreUnavailable("away")

    def test_answers_are_kept_for_a_day(self) -> None:
        """After that a key is new."""
        self.request("POST", "/v1/nodes", NODE, Idempotency_Key="a")
        pruner = Pruner(self.conductor.store, self.conductor.clock, self.conductor.config.events)
        for hours, count in ((23, 1), (2, 2)):
            self.conductor.clock.turn(hours * 3600)
            pruner.run()
            self.request("POST", "/v1/nodes", NODE, Idempotency_Key="a")
            self.assertEqual(count, len(self.get("/v1/nodes")["nodes"]))


class TestWhoseKey(RBACTestCase):
    """Keys of different callers."""

    def test_a_key_is_that_of_its_caller(self) -> None:
        """The same key of another user, or in another project, is another key."""
        answers = [
            self.ask(who, "POST", "/v1/nodes", NODE, Idempotency_Key="a")
            for who in (member("owner", "admin"), member("lessee", "admin"), system("admin"), member("owner", "admin"))
        ]
        self.assertEqual({201}, {answer.status for answer in answers}, [answer.raw for answer in answers])
        self.assertEqual(3, len({answer.json["uuid"] for answer in answers}))
