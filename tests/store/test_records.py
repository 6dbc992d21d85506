"""Records and the contract agree."""

from __future__ import annotations

import dataclasses

from testtools import TestCase

from baremetal_interfaces import Kind
from baremetal_sdk.store import NodeRecord
from baremetal_sdk.store.records.fields import NODE_FIELDS, FieldKind
from baremetal_sdk.store.records.node import INTERFACE_FIELDS


class TestInterfaceFields(TestCase):
    def test_nodes_have_one_interface_field_of_each_kind(self) -> None:
        """``NodeRecord`` has exactly the interface fields of the contract's kinds."""
        fields = {field.name for field in dataclasses.fields(NodeRecord) if field.name.endswith("_interface")}
        self.assertEqual({f"{kind}_interface" for kind in Kind}, fields)
        self.assertEqual(set(Kind), set(INTERFACE_FIELDS))
        self.assertEqual(fields, set(INTERFACE_FIELDS.values()))

    def test_interface_fields_are_optional_names(self) -> None:
        """Each interface field is an optional string of at most 64 characters that updates may change."""
        for name in INTERFACE_FIELDS.values():
            field = NODE_FIELDS.by_name[name]
            self.assertIs(FieldKind.STRING, field.kind, name)
            self.assertTrue(field.optional, name)
            self.assertTrue(field.writable, name)
            self.assertEqual(64, field.length, name)
