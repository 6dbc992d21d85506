"""Arguments of RPC methods have the annotated types; any other value is an error of the caller."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypedDict

from testtools import TestCase

from baremetal_interfaces import BareMetalError
from baremetal_sdk.errors import InternalError, InvalidArguments
from baremetal_sdk.rpc.argument_types import check_fields, matches
from baremetal_sdk.store.records.node import NodeRecord, PortRecord
from tests.fixtures.machines import MachinesCase

WRONG = (None, True, 1.5, 2**70, "", "a\0b", b"x", [1], {"a": {"b": 1}}, {"driver": 5}, {"": None}, {"uuid": 1}, {1, 2})


class Options(TypedDict, total=False):
    """Object with one known member."""

    size: int


class TestMatches(TestCase):
    def test_a_value_matches_its_annotation(self) -> None:
        """Text has no NUL, integers have 64 bits and are no booleans, and containers are checked with their elements."""
        for hint, right, wrong in (
            (str, ("", "é"), (None, 1, b"x", "a\0", "\ud800")),
            (int, (0, -(2**63)), (True, 1.0, 2**63, "1")),
            (float, (1, 1.5), (True, "1", None)),
            (bool, (True,), (1, 0, "true", None)),
            (str | None, ("x", None), (1,)),
            (Sequence[str], ([], ["x"], ("x",)), ("x", {"x"}, [1], None)),
            (Iterable[str], (["x"], {"x"}), ("x", [1], 5)),
            (Mapping[str, Any], ({}, {"a": [1]}), ([], {1: 2}, "a", None)),
            (Literal["GET", 1], ("GET", 1), ("PUT", True)),
            (Options, ({}, {"size": 1, "later": None}), ({"size": "1"}, [])),
            (Any, (1, None), ()),
        ):
            for value in right:
                self.assertTrue(matches(value, hint), f"{value!r} {hint}")
            for value in wrong:
                self.assertFalse(matches(value, hint), f"{value!r} {hint}")

    def test_fields_of_a_record_have_their_names_and_types(self) -> None:
        """All wrong, unknown and missing fields are named in one error."""
        check_fields(NodeRecord, {"name": None, "extra": {"a": 1}, "traits": ["CUSTOM_A"]}, complete=True)
        error = self.assertRaises(InvalidArguments, check_fields, PortRecord, {"address": 5, "color": "x"}, complete=True)
        self.assertEqual({"address", "color", "node_uuid"}, {problem.field for problem in error.problems})


class TestEveryMethod(MachinesCase):
    def test_wrong_values_are_errors_of_the_caller(self) -> None:
        """No value of any argument of any method causes an internal error."""
        conductor = self.conductor()
        node = self.enroll(conductor)
        registry = conductor.components.registry
        usual: dict[str, Any] = {"node": node.uuid, "driver": "fake-hardware", "kind": "chassis", "http_method": "GET"}
        internal = []
        for name in registry.names():
            names = list(registry[name].signature.parameters)
            self.assertEqual(set(names), set(registry[name].types), name)
            for argument in names:
                for value in WRONG:
                    arguments = {other: usual.get(other, {}) for other in names} | {argument: value}
                    try:
                        conductor.rpc.call(name, **arguments)
                    except InternalError:
                        internal.append((name, argument, value))
                    except BareMetalError:
                        pass
        self.assertEqual([], internal)
