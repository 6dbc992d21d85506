"""The fuzzers: small runs with a fixed seed find no fault, and runs with a planted crash find it."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from functools import partial
from typing import Any

from testtools import TestCase

from benchmarks.fuzz import values
from benchmarks.fuzz.api import run_api_fuzz
from benchmarks.fuzz.api_requests import KnownIDs, RequestBuilder
from benchmarks.fuzz.ipmi import run_ipmi_fuzz
from benchmarks.fuzz.redfish import run_redfish_fuzz
from benchmarks.fuzz.redfish_behaviors import select_behaviors
from benchmarks.fuzz.rpc import run_rpc_fuzz
from benchmarks.report import Report

FUZZERS: dict[str, tuple[Callable[..., dict[str, Any]], int]] = {
    "api": (run_api_fuzz, 200),
    "redfish": (run_redfish_fuzz, 4),
    "ipmi": (partial(run_ipmi_fuzz, machines=2), 20),
    "rpc": (run_rpc_fuzz, 200),
}
"""Name -> fuzzer and the size of a small run."""


class TestInput(TestCase):
    def test_equal_seeds_give_equal_requests(self) -> None:
        """A reported seed reproduces the requests."""
        first, second = (RequestBuilder(random.Random(5), KnownIDs(), ("admin",)) for _ in range(2))
        self.assertEqual([first.build() for _ in range(200)], [second.build() for _ in range(200)])

    def test_each_route_of_the_catalog_is_requested(self) -> None:
        """A new route is fuzzed without a change of the fuzzer."""
        builder = RequestBuilder(random.Random(1), KnownIDs(), ("admin",))
        wanted = {route["path"] for route in builder.routes}
        self.assertEqual(set(), wanted - {builder.build().label.partition(" ")[2] for _ in range(5000)})

    def test_a_mutation_leaves_its_original(self) -> None:
        """The original value is not changed, and most mutations differ from it."""
        original = {"a": [1, {"b": "c"}], "d": None}
        mutations = [values.mutate(original, random.Random(seed)) for seed in range(100)]
        self.assertEqual({"a": [1, {"b": "c"}], "d": None}, original)
        self.assertGreater(sum(mutation != original for mutation in mutations), 80)

    def test_there_are_many_hostile_behaviors(self) -> None:
        """At least 50 named behaviors exist, and a larger run adds random mutations."""
        names = list(select_behaviors(100))
        self.assertEqual(100, len(names))
        self.assertGreaterEqual(len([name for name in names if not name.startswith("mutation")]), 50)


class TestFuzzers(TestCase):
    def run_fuzzer(self, name: str, *, plant: bool) -> list[str]:
        """Run a fuzzer with its small size and return the violations."""
        report = Report(name, io.StringIO())
        run, count = FUZZERS[name]
        run(count, 7, report, plant=plant)
        return report.violations

    def assert_finds_only_planted(self, name: str) -> None:
        """Check that a run finds no fault, and that the same run with a planted crash finds it."""
        self.assertEqual([], self.run_fuzzer(name, plant=False))
        violations = self.run_fuzzer(name, plant=True)
        self.assertTrue([text for text in violations if "planted" in text or "internal error" in text], violations)

    def test_api(self) -> None:
        """Random requests cause no internal error, no late answer, no growth and no stuck node."""
        self.assert_finds_only_planted("api")

    def test_redfish(self) -> None:
        """Hostile BMCs cause no internal error, no late answer, no growth and no stuck node."""
        self.assert_finds_only_planted("redfish")

    def test_ipmi(self) -> None:
        """Malformed packets in sessions cause no internal error, no late answer, no growth and no stuck node."""
        self.assert_finds_only_planted("ipmi")

    def test_rpc(self) -> None:
        """Random messages cause no internal error, no late answer, no growth and no stuck node."""
        self.assert_finds_only_planted("rpc")
