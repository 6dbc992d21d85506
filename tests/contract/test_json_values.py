"""Tests of the rules for JSON values, of their repair, and of their comparison."""

from __future__ import annotations

import json
from typing import Any

import testtools

from baremetal_interfaces.json_comparison import is_equal, is_same
from baremetal_interfaces.json_values import (
    MAX_DEPTH,
    MAX_LENGTH,
    MAX_VALUES,
    JSONValueError,
    clean_json,
    clean_texts,
    encode_json,
    find_problem,
)


def nested(levels: int) -> Any:
    """Return a list in a list, with *levels* lists."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


WRONG = {
    "an integer beyond 64 bits": (10**30, "more than 64 bits"),
    "an integer just beyond 64 bits": (2**64, "more than 64 bits"),
    "a negative integer beyond 64 bits": (-(2**63) - 1, "more than 64 bits"),
    "an infinite number": (float("inf"), "it is inf"),
    "a number that is none": (float("nan"), "it is nan"),
    "half of a surrogate pair": ("a\ud800", "its character 1 is half of a surrogate pair"),
    "a NUL": ("a\0b", "NUL"),
    "deep nesting": (nested(MAX_DEPTH + 1), "levels deep"),
    "an object of Python": (object(), "of type object"),
}


class RulesTest(testtools.TestCase):
    """A value that breaks a rule is refused where it enters, with its place; other values keep their content."""

    def test_wrong_value_is_refused_with_its_place(self) -> None:
        """The error names the path of the wrong value in the document."""
        for name, (value, wrong) in WRONG.items():
            error = self.assertRaises(JSONValueError, encode_json, {"cpu": [{"count": value}]}, "inventory")
            self.assertTrue(error.problem.field.startswith("inventory/cpu/0/count"), name)
            self.assertIn(wrong, str(error), name)

    def test_wrong_key_is_refused(self) -> None:
        """Keys follow the rules of text, and the error shows them escaped."""
        for key in ("a\0", "\udfff"):
            error = self.assertRaises(JSONValueError, encode_json, {"a": {key: 1}}, "extra")
            self.assertIn("key '", error.problem.field)
            error.problem.field.encode()

    def test_size_is_limited(self) -> None:
        """The number of values and the length of the text are limited."""
        for value in (list(range(MAX_VALUES)), {str(key): 1 for key in range(MAX_VALUES)}):
            self.assertIn("more than 100000 values", str(self.assertRaises(JSONValueError, encode_json, value, "extra")))
        self.assertIn("characters", str(self.assertRaises(JSONValueError, encode_json, "x" * MAX_LENGTH, "extra")))

    def test_right_values_are_kept(self) -> None:
        """Each value within the rules is read as it was written."""
        texts = ("\\u0000", "\\ud800 as text", "🔌", "1" * 30)
        for value in (2**64 - 1, -(2**63), 1e308, *texts, nested(MAX_DEPTH - 1), {"": None}):
            self.assertEqual(value, json.loads(encode_json({"a": value}, "extra"))["a"])
            self.assertIsNone(find_problem(value, "extra"))

    def test_cleaned_value_follows_the_rules(self) -> None:
        """A repair leaves the right values, makes wrong text visible, and removes wrong numbers."""
        for name, (value, _) in WRONG.items():
            if type(value) is object:
                continue
            cleaned = clean_json({"a": value, "kept": [1, "x"], "k\ud800": 1})
            self.assertIsNone(find_problem(cleaned, "extra"), name)
            self.assertEqual([1, "x"], cleaned["kept"])
            self.assertIn("k\\ud800", cleaned)
        self.assertEqual({"a": None, "b": "x\\x00\n"}, clean_json({"a": 10**30, "b": "x\0\n"}))

    def test_texts_alone_are_cleaned(self) -> None:
        """The repair of texts changes no number, so that a wrong one is still found."""
        self.assertEqual({"a\\x00": [10**30, "\\udfff"]}, clean_texts({"a\0": (10**30, "\udfff")}))


class ComparisonTest(testtools.TestCase):
    """Values are compared by their JSON type and value, at every depth."""

    def test_true_is_not_one(self) -> None:
        """Truth values never equal numbers; numbers are equal by value, and the same only with the same type."""
        for wrap in (lambda value: value, lambda value: [value], lambda value: {"a": [{"b": value}]}):
            for one, other, equal, same in (
                (True, 1, False, False),
                (False, 0, False, False),
                (True, 1.0, False, False),
                (1, 1.0, True, False),
                (1, 1, True, True),
                ("1", 1, False, False),
                (None, False, False, False),
                ({}, [], False, False),
                ("", [], False, False),
                (2**53 + 1, float(2**53), False, False),
            ):
                self.assertEqual(equal, is_equal(wrap(one), wrap(other)), (one, other))
                self.assertEqual(same, is_same(wrap(one), wrap(other)), (one, other))

    def test_order_of_keys_and_kind_of_sequence_do_not_matter(self) -> None:
        """Objects are compared by key, and the tuples of records are lists."""
        self.assertTrue(is_same({"a": 1, "b": 2}, {"b": 2, "a": 1}))
        self.assertTrue(is_same((1, 2), [1, 2]))
        self.assertFalse(is_same([1, 2], [2, 1]))
        self.assertFalse(is_same({"a": 1}, {"a": 1, "b": None}))
