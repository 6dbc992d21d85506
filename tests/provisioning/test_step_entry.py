"""The stored form of the steps of a run."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from testtools import TestCase

from baremetal_interfaces import Kind, Phase, Step
from baremetal_sdk.provisioning.step_entry import StepEntry, StepRequest, StepWait

STORED: dict[str, Any] = {
    "interface": "deploy",
    "step": "burnin",
    "method": "run_burnin",
    "args": {"seconds": 5},
    "priority": 10,
    "abortable": True,
    "resumable": False,
    "reserved": False,
    "phase": "clean",
    "ramdisk": False,
}
STORED_WAITING: dict[str, Any] = {
    **STORED,
    "waits_since": "2026-01-02T03:04:05.678901+00:00",
    "looks": 3,
    "wait": {"job": 7},
    "poll_after": 2.5,
}


class TestStepEntry(TestCase):
    def test_stored_entry_stays_byte_for_byte_the_same(self) -> None:
        """Reading and writing an entry preserves its JSON, with the order of its keys."""
        for stored in (STORED, STORED_WAITING):
            self.assertEqual(json.dumps(stored), json.dumps(StepEntry.from_json(stored).to_json()))

    def test_fields_have_the_stored_values(self) -> None:
        """Each field of an entry comes from its stored key."""
        entry = StepEntry.from_json(STORED_WAITING)
        since = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
        self.assertEqual(StepWait({"job": 7}, 2.5, since, 3), entry.wait)
        self.assertEqual("run_burnin", entry.method)
        self.assertTrue(entry.is_abortable)
        self.assertFalse(entry.is_resumable)
        self.assertFalse(entry.uses_ramdisk)

    def test_entry_of_an_earlier_release_is_readable(self) -> None:
        """Keys that earlier releases did not write have defaults, in a step that waits as well."""
        early = {key: STORED[key] for key in ("interface", "step", "method", "args", "priority")}
        entry = StepEntry.from_json(early)
        self.assertTrue(entry.uses_ramdisk)
        self.assertIsNone(entry.wait)
        waiting = StepEntry.from_json({**early, "wait": {}, "poll_after": None})
        self.assertEqual(StepWait({}, None, None, 0), waiting.wait)

    def test_wait_for_an_event_has_no_start(self) -> None:
        """A step that waits for an event is stored with null for the start and the interval of its polls."""
        entry = StepEntry.from_json({**STORED_WAITING, "waits_since": None, "poll_after": None})
        self.assertIsNone(entry.to_json()["waits_since"])
        self.assertIsNone(entry.to_json()["poll_after"])

    def test_clients_see_four_fields(self) -> None:
        """The field of the node that shows a running step has the interface, the step, its arguments and its priority."""
        shown = StepEntry.from_json(STORED).to_node_field()
        self.assertEqual({"interface": "deploy", "step": "burnin", "args": {"seconds": 5}, "priority": 10}, shown)

    def test_entry_is_built_from_a_declaration(self) -> None:
        """An entry takes its method, priority and marks from the declared step."""
        step = Step(Phase.CLEAN, "burnin", "run_burnin", priority=10, abortable=True)
        entry = StepEntry.from_step(Kind.DEPLOY, step, {"seconds": 5})
        self.assertEqual("deploy.burnin", entry.label)
        self.assertEqual({**STORED, "phase": "", "ramdisk": True}, entry.to_json())


class TestStepRequest(TestCase):
    def test_missing_keys_have_defaults(self) -> None:
        """A request without arguments or priority has an empty mapping and None."""
        self.assertEqual(
            StepRequest("deploy", "burnin", {}, None), StepRequest.from_json({"interface": "deploy", "step": "burnin"})
        )
