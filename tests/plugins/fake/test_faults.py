"""Fault plans: reading a plan, and the operations at which a fault occurs."""

from __future__ import annotations

import json
import threading

import testtools

from baremetal_fake import Effect, Fault, FaultPlan, Machine
from baremetal_fake.faults import FaultInjector
from baremetal_fake.lab import ManualClock
from baremetal_interfaces import InvalidInput


class TestReading(testtools.TestCase):
    """Reading fault plans from JSON."""

    def test_a_plan_survives_json(self) -> None:
        """A plan is the same after it was written as JSON and read back."""
        plan = FaultPlan((Fault("set_power", Effect.LOSE, nth=2, times=1), Fault("get_*", Effect.SLOW, seconds=0.5)))
        self.assertEqual(plan, FaultPlan.from_json(json.loads(json.dumps(plan.to_json()))))

    def test_an_object_by_operation_equals_a_list(self) -> None:
        """A plan may be an object by operation or a list, and an operation may have several faults."""
        listed = [{"operation": "login", "effect": "auth"}, {"operation": "login", "effect": "busy", "nth": 3}]
        named = {"login": [{"effect": "auth"}, {"effect": "busy", "nth": 3}]}
        self.assertEqual(FaultPlan.from_json(listed), FaultPlan.from_json(named))

    def test_all_problems_are_reported_together(self) -> None:
        """The error names the field of each problem and the allowed values."""
        wrong = [
            {"operation": "", "effect": "explode", "nth": 0, "times": True, "seconds": -1, "colour": "red"},
            "nothing",
            {"effect": "slow", "operation": "login"},
        ]
        error = self.assertRaises(InvalidInput, FaultPlan.from_json, wrong)
        fields = {problem.field for problem in error.problems}
        expected = {f"faults/0/{name}" for name in ("operation", "effect", "nth", "times", "seconds", "colour")}
        self.assertEqual(expected | {"faults/1", "faults/2/seconds"}, fields)
        self.assertIn("one of slow, refuse", str(error))

    def test_a_value_that_is_not_a_plan_is_refused(self) -> None:
        """Only lists and objects are plans."""
        for value in (7, "x", None):
            self.assertRaises(InvalidInput, FaultPlan.from_json, value)


class TestOccurrence(testtools.TestCase):
    """A fault occurs at the matching operations, from the nth on, for the given number of times."""

    def effects_at(self, faults: list[dict[str, object]], operations: list[str]) -> list[str | None]:
        """Return the effect of the fault that occurs at each of *operations*, or None."""
        injector = FaultInjector(FaultPlan.from_json(faults))
        found = [injector.next(operation) for operation in operations]
        return [fault.effect.value if fault else None for fault in found]

    def test_a_fault_occurs_at_the_second_operation_only(self) -> None:
        """Matching operations are counted from one."""
        fault: dict[str, object] = {"operation": "set_power", "effect": "lose", "nth": 2, "times": 1}
        operations = ["set_power", "get_power", "set_power", "set_power"]
        self.assertEqual([None, None, "lose", None], self.effects_at([fault], operations))

    def test_without_times_a_fault_occurs_every_time(self) -> None:
        """A fault without a number of times never ends."""
        fault: dict[str, object] = {"operation": "get_power", "effect": "busy", "nth": 2}
        self.assertEqual([None, *["busy"] * 4], self.effects_at([fault], ["get_power"] * 5))

    def test_operations_of_one_pattern_are_counted_together(self) -> None:
        """Operations that match the same pattern are counted together."""
        fault: dict[str, object] = {"operation": "get_*", "effect": "drop", "nth": 2, "times": 1}
        self.assertEqual([None, None, "drop"], self.effects_at([fault], ["get_power", "set_power", "get_bios"]))

    def test_only_the_first_fault_applies_and_all_count(self) -> None:
        """Only the first of several faults applies, but each one counts the operation."""
        first: dict[str, object] = {"operation": "*", "effect": "slow", "seconds": 1, "times": 1}
        second: dict[str, object] = {"operation": "login", "effect": "auth", "nth": 2}
        self.assertEqual(["slow", "auth"], self.effects_at([first, second], ["login", "login"]))

    def test_each_operation_is_counted_once_across_threads(self) -> None:
        """A fault that occurs once occurs once, even if several threads send operations."""
        injector = FaultInjector(FaultPlan((Fault("x", Effect.LOSE, nth=500, times=1),)))
        found: list[Fault] = []

        def ask() -> None:
            found.extend(fault for fault in (injector.next("x") for _ in range(200)) if fault)

        threads = [threading.Thread(target=ask) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30.0)
        self.assertEqual(1, len(found))


class TestClientFaults(testtools.TestCase):
    """The fault plan that a client sets by its driver_info."""

    def setUp(self) -> None:
        super().setUp()
        self.machine = Machine("m", clock=ManualClock())

    def test_an_unchanged_plan_keeps_its_counts(self) -> None:
        """Setting the same plan again keeps its counts; another plan starts new ones."""
        plan = {"login": {"effect": "auth", "times": 1}}
        self.machine.set_client_faults(plan)
        self.assertIsNotNone(self.machine.record_operation("login"))
        self.machine.set_client_faults(dict(plan))
        self.assertIsNone(self.machine.record_operation("login"))
        self.machine.set_client_faults({"login": {"effect": "busy", "times": 1}})
        self.assertIsNotNone(self.machine.record_operation("login"))
        self.machine.set_client_faults(None)
        self.assertIsNone(self.machine.record_operation("login"))

    def test_commands_are_logged_and_reads_are_counted(self) -> None:
        """The log holds each command with the effect of its fault; reads are only counted."""
        self.machine.inject(FaultPlan((Fault("set_power", Effect.LOSE),)))
        self.machine.record_operation("set_power", state="power on")
        self.machine.record_operation("get_power")
        (logged,) = self.machine.commands()
        self.assertEqual("set_power", logged.operation)
        self.assertEqual(Effect.LOSE, logged.effect)
        self.assertEqual({"state": "power on"}, logged.arguments)
        self.assertEqual(1, self.machine.operations["get_power"])

    def test_the_log_is_bounded(self) -> None:
        """The log drops its oldest commands."""
        for number in range(2000):
            self.machine.record_operation("set_power", number=number)
        self.assertEqual(500, len(self.machine.commands()))
        self.assertEqual(1999, self.machine.commands()[-1].arguments["number"])
