"""Fault plans: how they are read, and when they strike."""

from __future__ import annotations

import json
import threading

import testtools

from baremetal_fake import Effect, Fault, FaultPlan, Machine
from baremetal_fake.faults import FaultInjector
from baremetal_fake.lab import ManualClock
from baremetal_interfaces import InvalidInput


class TestReading(testtools.TestCase):
    """A plan is data."""

    def test_a_plan_survives_json(self) -> None:
        """What is written is read back the same."""
        plan = FaultPlan((Fault("set_power", Effect.LOSE, nth=2, times=1), Fault("get_*", Effect.SLOW, seconds=0.5)))
        self.assertEqual(plan, FaultPlan.from_json(json.loads(json.dumps(plan.to_json()))))

    def test_a_plan_by_operation_is_the_same_as_a_list(self) -> None:
        """Both spellings mean the same, and one operation may have several faults."""
        listed = [{"operation": "login", "effect": "auth"}, {"operation": "login", "effect": "busy", "nth": 3}]
        named = {"login": [{"effect": "auth"}, {"effect": "busy", "nth": 3}]}
        self.assertEqual(FaultPlan.from_json(listed), FaultPlan.from_json(named))

    def test_all_problems_are_named_at_once(self) -> None:
        """An error names the field, what is wrong with it and what is allowed."""
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

    def test_what_is_no_plan_is_refused(self) -> None:
        """Only lists and objects are plans."""
        for value in (7, "x", None):
            self.assertRaises(InvalidInput, FaultPlan.from_json, value)


class TestStriking(testtools.TestCase):
    """A fault strikes at the operations it names, from the nth on, as often as it says."""

    def struck(self, faults: list[dict[str, object]], operations: list[str]) -> list[str | None]:
        injector = FaultInjector(FaultPlan.from_json(faults))
        found = [injector.next(operation) for operation in operations]
        return [one.effect.value if one else None for one in found]

    def test_the_second_operation_alone(self) -> None:
        """Operations are counted from one, by name."""
        fault: dict[str, object] = {"operation": "set_power", "effect": "lose", "nth": 2, "times": 1}
        operations = ["set_power", "get_power", "set_power", "set_power"]
        self.assertEqual([None, None, "lose", None], self.struck([fault], operations))

    def test_without_a_number_of_times_it_strikes_for_ever(self) -> None:
        """A fault stays unless it says how often."""
        fault: dict[str, object] = {"operation": "get_power", "effect": "busy", "nth": 2}
        self.assertEqual([None, *["busy"] * 4], self.struck([fault], ["get_power"] * 5))

    def test_a_pattern_covers_several_operations(self) -> None:
        """Operations of one pattern are counted together."""
        fault: dict[str, object] = {"operation": "get_*", "effect": "drop", "nth": 2, "times": 1}
        self.assertEqual([None, None, "drop"], self.struck([fault], ["get_power", "set_power", "get_bios"]))

    def test_the_first_fault_of_the_plan_strikes_and_all_count(self) -> None:
        """One fault strikes at a time; the others count on."""
        first: dict[str, object] = {"operation": "*", "effect": "slow", "seconds": 1, "times": 1}
        second: dict[str, object] = {"operation": "login", "effect": "auth", "nth": 2}
        self.assertEqual(["slow", "auth"], self.struck([first, second], ["login", "login"]))

    def test_operations_of_many_threads_are_counted_once_each(self) -> None:
        """A fault that strikes once strikes once, whoever comes."""
        injector = FaultInjector(FaultPlan((Fault("x", Effect.LOSE, nth=500, times=1),)))
        struck: list[Fault] = []

        def ask() -> None:
            struck.extend(fault for fault in (injector.next("x") for _ in range(200)) if fault)

        threads = [threading.Thread(target=ask) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30.0)
        self.assertEqual(1, len(struck))


class TestCarriedFaults(testtools.TestCase):
    """A client may carry a plan to the machine."""

    def setUp(self) -> None:
        super().setUp()
        self.machine = Machine("m", clock=ManualClock())

    def test_the_same_plan_goes_on_where_it_was(self) -> None:
        """Carrying a plan again does not start it anew; another plan does."""
        plan = {"login": {"effect": "auth", "times": 1}}
        self.machine.set_client_faults(plan)
        self.assertIsNotNone(self.machine.record_operation("login"))
        self.machine.set_client_faults(dict(plan))
        self.assertIsNone(self.machine.record_operation("login"))
        self.machine.set_client_faults({"login": {"effect": "busy", "times": 1}})
        self.assertIsNotNone(self.machine.record_operation("login"))
        self.machine.set_client_faults(None)
        self.assertIsNone(self.machine.record_operation("login"))

    def test_commands_are_logged_with_what_struck_and_reads_are_counted(self) -> None:
        """The log shows each command as the BMC received it."""
        self.machine.inject(FaultPlan((Fault("set_power", Effect.LOSE),)))
        self.machine.record_operation("set_power", state="power on")
        self.machine.record_operation("get_power")
        (logged,) = self.machine.commands()
        self.assertEqual(("set_power", Effect.LOSE, {"state": "power on"}), (logged.operation, logged.effect, logged.arguments))
        self.assertEqual(1, self.machine.operations["get_power"])

    def test_the_log_does_not_grow_for_ever(self) -> None:
        """Old commands are forgotten."""
        for number in range(2000):
            self.machine.record_operation("set_power", number=number)
        self.assertEqual(500, len(self.machine.commands()))
        self.assertEqual(1999, self.machine.commands()[-1].arguments["number"])
