"""Values in patches keep their JSON types: true is not 1, and the path of an operation follows RFC 6901."""

from __future__ import annotations

from typing import Any

from tests.fixtures.api import APITestCase

TYPE_CHANGES = ((1, True), (True, 1), (0, False), (False, 0.0), (1.0, 1), (1, 1.0), (1, "1"), (None, False), ([], {}), ("", None))


def wrap(value: Any) -> tuple[Any, ...]:
    """Return *value* alone, in lists, and in objects."""
    return value, [0, value], {"deep": {"list": [value]}}


class TestTypes(APITestCase):
    """A change of the JSON type is a change, and ``test`` tells truth values from numbers."""

    def setUp(self) -> None:
        super().setUp()
        self.node = self.create_node(name="n1")
        body = {"node_uuid": self.node, "address": "02:00:00:00:00:01"}
        self.port = self.request("POST", "/v1/ports", body).json["uuid"]

    def test_value_of_another_type_is_stored(self) -> None:
        """The value that is written is the value that is read, in every field and at every depth."""
        node_fields = ("extra", "properties", "instance_info", "driver_info")
        for path, names in ((f"/v1/nodes/{self.node}", node_fields), (f"/v1/ports/{self.port}", ("extra",))):
            for name in names:
                for old, new in TYPE_CHANGES:
                    for before, after in zip(wrap(old), wrap(new), strict=True):
                        self.patch(path, ("add", f"/{name}/a", before))
                        self.assertEqual(200, self.patch(path, ("replace", f"/{name}/a", after)).status)
                        self.assertEqual(repr(after), repr(self.get(path)[name]["a"]), f"{name}: {before!r} -> {after!r}")

    def test_whole_field_of_another_type_is_stored(self) -> None:
        """The replacement of a whole field is compared by JSON type, too."""
        path = f"/v1/nodes/{self.node}"
        for value in (1, True, 1.0, 1):
            self.patch(path, ("replace", "/extra", {"a": value}))
            self.assertEqual(repr({"a": value}), repr(self.get(path)["extra"]))

    def test_operation_test_compares_json_values(self) -> None:
        """``test`` compares numbers by value, and never a number with true or false (RFC 6902, section 4.6)."""
        path = f"/v1/nodes/{self.node}"
        for stored, tested, equal in (
            (1, True, False), (True, 1, False), (0, False, False), (1, 1.0, True), (1.0, 1, True), (1.5, 1.5, True),
            ([1], [True], False), ({"a": 1, "b": 2}, {"b": 2.0, "a": 1}, True), ({"a": 0}, {"a": False}, False), ("1", 1, False),
            (None, False, False), (2**53 + 1, float(2**53), False),
        ):  # fmt: skip
            self.patch(path, ("add", "/extra/a", stored))
            response = self.patch(path, ("test", "/extra/a", tested), ("add", "/description", "x"))
            self.assertEqual(200 if equal else 400, response.status, (stored, tested))


class TestPointers(APITestCase):
    def setUp(self) -> None:
        super().setUp()
        extra = {"list": [1, 2], "": {"": 0}, "a/b": 1, "m~n": 2, "~1": 3, "01": 4}
        self.path = f"/v1/nodes/{self.create_node(name='n1', extra=extra)}"

    def test_path_is_decoded(self) -> None:
        """``~1`` is a slash, ``~0`` a tilde, ``~01`` the text ``~1``, and an empty segment the empty key."""
        for pointer, value in (("a~1b", 1), ("m~0n", 2), ("~01", 3), ("01", 4), ("/", 0), ("list/1", 2)):
            self.assertEqual(200, self.patch(self.path, ("test", f"/extra/{pointer}", value)).status, pointer)

    def test_invalid_path_is_refused(self) -> None:
        """An invalid escape, an index with leading zeros, a sign or another script, and ``-`` of a missing item are refused."""
        indexes = ("00", "01", "+1", "-1", "1.0", "\u0661", " 1", "1 ", "2", "-", "", "1/x")
        for pointer in (*(f"list/{index}" for index in indexes), "m~n", "a~2b", "m~", "missing/x"):
            for operation in ("replace", "remove", "test"):
                body = [{"op": operation, "path": f"/extra/{pointer}", "value": 1}]
                self.assertEqual(400, self.request("PATCH", self.path, body).status, (operation, pointer))
        self.assertEqual(400, self.patch(self.path, ("add", "/extra/list/00", 1)).status)
        self.assertEqual(200, self.patch(self.path, ("add", "/extra/list/-", 1)).status)

    def test_value_of_an_operation_is_not_shared(self) -> None:
        """Two operations with a value each change only their own place."""
        operations = (("add", "/extra/x", {}), ("add", "/extra/y", {}), ("add", "/extra/x/z", 1))
        self.assertEqual({}, self.patch(self.path, *operations).json["extra"]["y"])
