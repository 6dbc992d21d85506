"""Encoding of values, errors and requests, and rejected messages."""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

from testtools import TestCase

from baremetal_interfaces import BareMetalError, BMCUnreachable, Kind
from baremetal_sdk.config import ConductorConfig, JSONRPCConfig
from baremetal_sdk.errors import MessageTooLarge
from baremetal_sdk.rpc import faults
from baremetal_sdk.rpc.codec import Codec, MalformedMessage, MessageLimits, NotEncodable
from baremetal_sdk.rpc.message import RPCRequest
from tests.rpc.acme_errors import RackOnFire


class TestCodec(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.codec = Codec(limits=MessageLimits(max_bytes=10_000, max_depth=8))

    def test_nesting_is_limited_on_both_sides(self) -> None:
        """Deep nesting is rejected before it exhausts the stack."""
        value: Any = 1
        for _ in range(5000):
            value = [value]
        self.assertIn("8 levels", str(self.assertRaises(MessageTooLarge, self.codec.dump, value)))
        self.assertRaises(MessageTooLarge, self.codec.load, value)
        self.assertRaises(MalformedMessage, self.codec.from_bytes, b"[" * 5000 + b"]" * 5000)

    def test_size_is_limited_on_both_sides(self) -> None:
        """Messages above the size limit are neither written nor read."""
        self.assertRaises(MessageTooLarge, self.codec.to_bytes, "x" * 10_000)
        self.assertRaises(MessageTooLarge, self.codec.from_bytes, b'"' + b"x" * 10_000 + b'"')

    def test_number_of_values_is_limited(self) -> None:
        """A message with very many small values is rejected before it is decoded."""
        codec = Codec(limits=MessageLimits(max_bytes=200_000))
        self.assertEqual([1] * 20_000, codec.from_bytes(b"[" + b"1," * 19_999 + b"1]"))
        failure = self.assertRaises(MessageTooLarge, codec.from_bytes, b"[" + b'{"b":1},' * 20_000 + b"1]")
        self.assertIn("25000 values", str(failure))

    def test_values_without_an_encoding_are_rejected(self) -> None:
        """The error names the type, never the value."""
        for value in (threading.Lock(), object(), self.codec, {"a": [lambda: 1]}, MessageLimits()):
            error = self.assertRaises(NotEncodable, self.codec.dump, value)
            self.assertNotIn("0x", str(error))

    def test_text_that_cannot_be_encoded_is_sent_with_escapes(self) -> None:
        """Half of a surrogate pair, as in an old record, becomes visible and does not stop the message."""
        self.assertEqual({"a": ["x\\ud800", 1]}, json.loads(self.codec.to_bytes({"a": ["x\ud800", 1]})))

    def test_an_enumeration_is_sent_as_its_text(self) -> None:
        """A member of a text enumeration is decoded as plain text."""
        self.assertEqual("power", self.codec.load(json.loads(self.codec.to_bytes(self.codec.dump(Kind.POWER)))))

    def test_messages_cannot_create_or_import_other_classes(self) -> None:
        """Only registered records and known type marks are decoded, and nothing is imported."""
        before = set(sys.modules)
        for value in (
            {"$": "record", "name": "Codec", "v": {}},
            {"$": "record", "name": "os.system", "v": {"command": "true"}},
            {"$": "object", "v": "this.Thing"},
            {"$": ["tuple"], "v": []},
            {"$": "record", "name": ["NodeRecord"], "v": {}},
            {"$": "record", "name": "NodeRecord", "v": None},
            {"$": "record", "name": "NodeRecord", "v": {}},
            {"$": "bytes", "v": "not base 64"},
            {"$": "datetime", "v": 7},
            {"$": "int", "v": "f" * 5000},
            {"$": "set", "v": [[]]},
            {"$": "dict", "v": [[1, 2, 3]]},
            {"$": "tuple"},
        ):
            self.assertRaises(MalformedMessage, self.codec.load, value)
        error = faults.decode_error({"classes": ["antigravity.Error", "this.Error"], "message": "m", "code": 418}, self.codec)
        self.assertIs(BareMetalError, type(error))
        self.assertEqual(set(), {"antigravity", "this"} & (set(sys.modules) - before))

    def test_unknown_fields_of_a_record_are_dropped(self) -> None:
        """Fields of a newer release are ignored, so that releases can be upgraded one by one."""
        value = {"$": "record", "name": "NodeRecord", "v": {"uuid": "u", "name": "n", "invented_later": 1}}
        record = self.codec.load(value)
        self.assertEqual("u", record.uuid)
        self.assertEqual("n", record.name)


class TestFaults(TestCase):
    def test_an_unknown_error_class_becomes_its_loaded_base_class(self) -> None:
        """Without the plugin, its error becomes the nearest loaded base class and keeps message, code and details."""
        codec = Codec()
        sent = faults.encode_error(RackOnFire("r7"), codec)
        sent["classes"][0] = "plugin_that_is_not_here.RackOnFire"
        error = faults.decode_error(sent, codec)
        self.assertIs(BMCUnreachable, type(error))
        self.assertEqual("rack r7 is on fire", error.message)
        self.assertEqual(507, error.code)
        self.assertEqual({"rack": "r7"}, error.details)
        self.assertEqual("plugin_that_is_not_here.RackOnFire", error.remote_class)  # type: ignore[attr-defined]

    def test_other_attributes_of_an_error_are_not_sent(self) -> None:
        """Attributes of an error besides its details, such as a password, are not sent."""
        error = RackOnFire("r7")
        error.password = "hunter2"  # type: ignore[attr-defined]
        self.assertNotIn("hunter2", json.dumps(faults.encode_error(error, Codec())))


class TestRequest(TestCase):
    def test_the_repr_of_a_request_hides_its_arguments(self) -> None:
        """The repr of a request contains no secret."""
        self.assertNotIn("hunter2", repr(RPCRequest("create_node", {"password": "hunter2"})))

    def test_malformed_requests_are_rejected_with_a_reason(self) -> None:
        """Each member of a request is validated."""
        good = RPCRequest("echo", {"value": 1}, ident=1, version="1.0", timeout=1.0).dump(Codec())
        self.assertEqual("echo", RPCRequest.load(good, Codec()).method)
        for part, value in (
            ("jsonrpc", "1.0"), ("method", 7), ("method", ""), ("method", "x" * 300), ("params", [1]), ("id", True), ("id", {}),
            ("baremetal", 1), ("baremetal", {"version": 1}), ("baremetal", {"version": "one"}), ("baremetal", {"timeout": "x"}),
            ("baremetal", {"timeout": True}), ("baremetal", {"context": 1}), ("baremetal", {"context": {"request_id": 1}}),
            ("baremetal", {"context": {"request_id": "r", "roles": [1]}}), ("baremetal", {"trace": "00-1"}),
            ("baremetal", {"trace": {"traceparent": 1}}), ("baremetal", {"trace": {"baggage": "x" * 20_000}}),
        ):  # fmt: skip
            error = self.assertRaises(MalformedMessage, RPCRequest.load, {**good, part: value}, Codec())
            self.assertTrue(str(error))
        self.assertRaises(MalformedMessage, RPCRequest.load, [], Codec())


class TestConfiguration(TestCase):
    def test_the_repr_of_the_configuration_hides_secrets(self) -> None:
        """The repr contains neither the password of a caller nor that of the message bus."""
        config = ConductorConfig(transport_url="rabbit://u:hunter2@h/", json_rpc=JSONRPCConfig(username="u", password="hunter2"))
        self.assertNotIn("hunter2", repr(config))
