"""What crosses between processes, and what is refused."""

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

    def test_what_is_too_deep_is_refused_on_both_sides(self) -> None:
        """A message that is nested without end exhausts no stack."""
        value: Any = 1
        for _ in range(5000):
            value = [value]
        self.assertIn("8 levels", str(self.assertRaises(MessageTooLarge, self.codec.dump, value)))
        self.assertRaises(MessageTooLarge, self.codec.load, value)
        self.assertRaises(MalformedMessage, self.codec.from_bytes, b"[" * 5000 + b"]" * 5000)

    def test_what_is_too_large_is_refused_on_both_sides(self) -> None:
        """Nobody's memory is filled by a message."""
        self.assertRaises(MessageTooLarge, self.codec.to_bytes, "x" * 10_000)
        self.assertRaises(MessageTooLarge, self.codec.from_bytes, b'"' + b"x" * 10_000 + b'"')

    def test_what_only_a_program_can_have_is_not_sent(self) -> None:
        """The refusal names the type, and never the value."""
        for value in (threading.Lock(), object(), self.codec, {"a": [lambda: 1]}, MessageLimits()):
            error = self.assertRaises(NotEncodable, self.codec.dump, value)
            self.assertNotIn("0x", str(error))
        self.assertRaises(NotEncodable, self.codec.to_bytes, "\ud800")

    def test_an_enumeration_is_sent_as_its_text(self) -> None:
        """Both sides know the words, and need not share the class."""
        self.assertEqual("power", self.codec.load(json.loads(self.codec.to_bytes(self.codec.dump(Kind.POWER)))))

    def test_nothing_is_made_or_imported_because_a_message_names_it(self) -> None:
        """Only records that are registered are made, and only marks that are known are read."""
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

    def test_a_newer_record_is_read_without_what_is_not_known(self) -> None:
        """Releases that differ can talk to each other while they are exchanged one by one."""
        value = {"$": "record", "name": "NodeRecord", "v": {"uuid": "u", "name": "n", "invented_later": 1}}
        record = self.codec.load(value)
        self.assertEqual(("u", "n"), (record.uuid, record.name))


class TestFaults(TestCase):
    def test_an_error_whose_class_is_not_loaded_is_the_nearest_one_that_is(self) -> None:
        """A caller without the plugin still knows that the BMC was not reached, with code and details of the error."""
        codec = Codec()
        sent = faults.encode_error(RackOnFire("r7"), codec)
        sent["classes"][0] = "plugin_that_is_not_here.RackOnFire"
        error = faults.decode_error(sent, codec)
        self.assertIs(BMCUnreachable, type(error))
        self.assertEqual(("rack r7 is on fire", 507, {"rack": "r7"}), (error.message, error.code, error.details))
        self.assertEqual("plugin_that_is_not_here.RackOnFire", error.remote_class)  # type: ignore[attr-defined]

    def test_attributes_of_an_error_that_are_no_details_stay_behind(self) -> None:
        """What a plugin keeps in an error for itself, a password perhaps, is not sent."""
        error = RackOnFire("r7")
        error.password = "hunter2"  # type: ignore[attr-defined]
        self.assertNotIn("hunter2", json.dumps(faults.encode_error(error, Codec())))


class TestRequest(TestCase):
    def test_arguments_are_not_shown_where_a_request_is(self) -> None:
        """A request in a log shows no secret."""
        self.assertNotIn("hunter2", repr(RPCRequest("create_node", {"password": "hunter2"})))

    def test_what_is_no_request_is_refused_with_the_reason(self) -> None:
        """Each part of a message is checked before anything is done."""
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
    def test_a_configuration_that_is_shown_holds_no_secret(self) -> None:
        """Neither the password of a caller nor that of the message bus is in its text."""
        config = ConductorConfig(transport_url="rabbit://u:hunter2@h/", json_rpc=JSONRPCConfig(username="u", password="hunter2"))
        self.assertNotIn("hunter2", repr(config))
