from __future__ import annotations

import gc
import json
import logging
import socket
from typing import Any

import sushy
import sushy.exceptions
from sushy.resources.system.system import System
from testtools import TestCase

from baremetal_interfaces import Deadline, DeadlineExceeded, Fault
from baremetal_interfaces.http import HTTPSession
from baremetal_redfish.connector import RedfishConnector
from baremetal_redfish.errors import TransportFailed
from baremetal_redfish.transport import Transport
from tests.fixtures.raw_server import RawServer, Script, answer, answering, documents, read_request


class TransportTestCase(TestCase):
    def transport(self, script: Script) -> Transport:
        self.server = RawServer(script)
        self.server.__enter__()
        self.addCleanup(self.server.__exit__)
        http = HTTPSession("http", "127.0.0.1", self.server.port, headers={"X-Auth-Token": "s3cret"})
        self.addCleanup(http.close)
        return Transport(http, "/redfish/v1/", 10.0)

    def error(self, status: str, body: bytes) -> sushy.exceptions.HTTPError:
        transport = self.transport(answering(answer(body, status=status)))
        failure: sushy.exceptions.HTTPError = self.assertRaises(sushy.exceptions.HTTPError, transport.get, "/x")
        return failure


class TestRequests(TransportTestCase):
    def test_only_the_path_of_a_url_is_used(self) -> None:
        """A URL in a response never leads to another host: its path is requested from the BMC itself."""
        transport = self.transport(documents({"/a?b=c": answer(b'{"v": 1}')}))
        self.assertEqual({"v": 1}, transport.read_document("https://elsewhere.example:444/a?b=c"))

    def test_relative_path(self) -> None:
        """A relative path is below the service root."""
        transport = self.transport(documents({"/redfish/v1/Systems": answer(b'{"v": 1}')}))
        self.assertEqual({"v": 1}, transport.read_document("Systems"))

    def test_path_is_quoted(self) -> None:
        """Characters that are not allowed in a path are quoted, and an invalid link is an invalid response."""
        transport = self.transport(documents({"/a%20b/%C3%BC": answer(b'{"v": 1}')}))
        self.assertEqual({"v": 1}, transport.read_document("/a b/ü"))
        self.assertEqual({"v": 1}, transport.read_document("/a%20b/%C3%BC#/x"))
        self.assertRaises(TransportFailed, transport.read_document, "http://[")

    def test_odd_paths_are_requested(self) -> None:
        """A stray percent sign, quotes, question marks and doubled slashes in a link lead to a valid request."""
        for link, target in (
            ('/Systems/100%/a"b', "/Systems/100%25/a%22b"),
            ("/Systems/a%2Fb?$expand=. x", "/Systems/a%2Fb?$expand=.%20x"),
            ("//redfish/v1/Systems", "/redfish/v1/Systems"),
            ("/a<b>[c]|{d}^", "/a%3Cb%3E%5Bc%5D%7C%7Bd%7D%5E"),
        ):
            self.assertEqual({"v": 1}, self.transport(documents({target: answer(b'{"v": 1}')})).read_document(link))

    def test_links_without_an_encoding_are_refused(self) -> None:
        """A link or a redirect that cannot be requested is an invalid response and not an internal error."""
        for link in ("/a\ud800", "http://[::1", "http://host]/a?b"):
            self.assertRaises(TransportFailed, self.transport(answering(answer())).read_document, link)
        for location in ("http://[::1/a", "http://127.0.0.1:port/a", "//[/"):
            moved = answer(status="307 Moved", headers=f"Location: {location}\r\n")
            self.assertRaises(TransportFailed, self.transport(answering(moved)).get, "/a")

    def test_costly_documents_are_refused(self) -> None:
        """A document with too many values or levels fails with its limit, also as the body of an error."""
        costly = b'{"a":[' + b'{"b":1},' * 100_000 + b"1]}"
        deep = b'{"a":' + b"[" * 900 + b"]" * 900 + b"}"
        for body, limit in ((costly, "the maximum is 65536 values"), (deep, "more than 64 levels")):
            failure = self.assertRaises(TransportFailed, self.transport(answering(answer(body))).get, "/x")
            self.assertIn(limit, str(failure))
            self.assertIs(Fault.OTHER, RedfishConnector().classify(failure))
            self.assertEqual(400, self.error("400 Bad Request", body).status_code)

    def test_registries_may_be_large(self) -> None:
        """A large document is read if the request is for a large one, and a document is decoded once."""
        body = json.dumps({"RegistryEntries": ["x" * 1_500_000]}).encode()
        transport = self.transport(answering(answer(body)))
        self.assertRaises(TransportFailed, transport.read_document, "/x")
        self.assertEqual({"RegistryEntries"}, set(transport.read_document("/x", large=True)))
        response = transport.get("/x", large=True)
        self.assertIs(response.json(), response.json())

    def test_redirect_within_the_service(self) -> None:
        """Redirects within the service are followed: a GET by all, a POST by those that keep the method."""
        requests: list[bytes] = []
        moved = {
            "/a": answer(status="301 Moved", headers="Location: /c\r\n"),
            "/b": answer(status="307 Moved", headers="Location: c\r\n"),
        }
        transport = self.transport(documents({**moved, "/c": answer(b'{"v": 1}')}, requests))
        self.assertEqual({"v": 1}, transport.read_document("/a"))
        self.assertEqual(200, transport.post("/b", {"x": 1}).status_code)
        self.assertIn(b"POST /c ", requests[-1])
        self.assertTrue(requests[-1].endswith(b'{"x": 1}'))

    def test_redirect_elsewhere(self) -> None:
        """A redirect to another host is refused, because the token would be sent there; the error names the option to set."""
        location = "Location: https://u:p@elsewhere.example/c\r\n"
        transport = self.transport(answering(answer(status="302 Found", headers=location)))
        failure = self.assertRaises(TransportFailed, transport.get, "/a")
        self.assertIn("it redirects to https://elsewhere.example; give that as redfish_address", str(failure))
        self.assertEqual(1, self.server.connections)

    def test_endless_redirect(self) -> None:
        """A circular redirect ends with an error."""
        transport = self.transport(answering(answer(status="302 Found", headers="Location: /a\r\n")))
        self.assertIn("too often", str(self.assertRaises(TransportFailed, transport.get, "/a")))

    def test_not_redfish(self) -> None:
        """The error for a page of another web server names its content type."""
        transport = self.transport(answering(answer(b"<html>", headers="Content-Type: text/html\r\n")))
        failure = self.assertRaises(TransportFailed, transport.get, "/redfish/v1/")
        self.assertIn("text/html", str(failure))
        self.assertIn("redfish_root_prefix", str(failure))

    def refusing(self, times: int, first: bytes, requests: list[bytes]) -> Transport:
        """Return the transport of a service that sends *first* for the first *times* requests, and then a document."""

        def script(client: socket.socket) -> None:
            while request := read_request(client):
                requests.append(request)
                client.sendall(first if len(requests) <= times else answer(b'{"v": 1}'))

        return self.transport(script)

    def test_temporary_refusal_is_retried(self) -> None:
        """A service that sends Retry-After has done nothing, so that any request is repeated."""
        for status in ("503 Busy", "429 Slow", "409 In use"):
            for send in (Transport.get, Transport.post):
                requests: list[bytes] = []
                transport = self.refusing(2, answer(status=status, headers="Retry-After: 0\r\n"), requests)
                self.assertEqual({"v": 1}, send(transport, "/x").json())
                self.assertEqual(3, len(requests))

    def test_retries_are_limited(self) -> None:
        """No retry follows a long Retry-After, or a refusal without the header, except for a conflict of a read."""
        for status, after, method, sent in (
            ("503 Busy", "Retry-After: 0\r\n", Transport.get, 3),
            ("503 Busy", "Retry-After: 60\r\n", Transport.get, 1),
            ("503 Busy", "", Transport.get, 1),
            ("409 Conflict", "", Transport.post, 1),
        ):
            requests: list[bytes] = []
            transport = self.refusing(9, answer(status=status, headers=after), requests)
            self.assertRaises(sushy.exceptions.HTTPError, method, transport, "/x")
            self.assertEqual(sent, len(requests), (status, after))

    def test_retry_beyond_the_deadline_is_skipped(self) -> None:
        """If the deadline ends before the next attempt, the response at hand is returned at once."""
        requests: list[bytes] = []
        transport = self.refusing(9, answer(status="503 Busy", headers="Retry-After: 5\r\n"), requests)
        with transport.until(Deadline.after(2.0)):
            failure = self.assertRaises(sushy.exceptions.HTTPError, transport.get, "/x")
        self.assertEqual(1, len(requests))
        self.assertEqual(5.0, failure.retry_after)

    def test_read_over_a_broken_connection_is_repeated(self) -> None:
        """Only a read is repeated after a broken connection: anything else may have taken effect."""
        for send, sent in ((Transport.get, 2), (Transport.post, 1)):
            requests: list[bytes] = []

            def script(client: socket.socket, requests: list[bytes] = requests) -> None:
                requests.append(read_request(client))
                if len(requests) > 1:
                    client.sendall(answer(b'{"v": 1}'))

            transport = self.transport(script)
            if sent > 1:
                self.assertEqual({"v": 1}, send(transport, "/x").json())
            else:
                self.assertRaises(TransportFailed, send, transport, "/x")
            self.assertEqual(sent, len(requests))

    def test_server_errors_are_not_retried(self) -> None:
        """A failure of the service is not retried."""
        requests: list[bytes] = []
        failing = documents({"/x": answer(status="500 Oops")}, requests)
        self.assertRaises(sushy.exceptions.ServerSideError, self.transport(failing).get, "/x")
        self.assertEqual(1, len(requests))

    def test_deadline_of_the_thread(self) -> None:
        """The deadline of an until block limits the requests inside it; afterwards the outer deadline applies again."""
        transport = self.transport(answering(answer()))
        with transport.until(Deadline.after(10)):
            with transport.until(Deadline.after(0)):
                self.assertRaises(DeadlineExceeded, transport.get, "/x")
            transport.get("/x")
        transport.get("/x")

    def test_blocking_requests_are_refused(self) -> None:
        """sushy's blocking wait for a task of the BMC is refused."""
        self.assertRaises(sushy.exceptions.SushyError, self.transport(answering(answer())).post, "/x", blocking=True)


class TestEntityTags(TransportTestCase):
    def tags_tried(self, tag: str | None, accepted: str | None) -> list[str | None]:
        tags: list[str | None] = []

        def script(client: Any) -> None:
            while request := read_request(client):
                lines = dict(line.split(b": ", 1) for line in request.split(b"\r\n\r\n")[0].split(b"\r\n")[1:])
                found = lines.get(b"If-Match")
                tags.append(found.decode() if found else None)
                client.sendall(answer(status="204 No Content" if tags[-1] == accepted else "412 Precondition Failed"))

        self.transport(script).patch("/x", {"a": 1}, etag=tag)
        return tags

    def test_etag_is_sent(self) -> None:
        """An ETag is sent if one is known."""
        self.assertEqual(['"1"'], self.tags_tried('"1"', '"1"'))
        self.assertEqual([None], self.tags_tried(None, None))

    def test_weak_etag(self) -> None:
        """A refused weak ETag is replaced by the strong one, and then omitted."""
        self.assertEqual(['W/"1"', '"1"'], self.tags_tried('W/"1"', '"1"'))
        self.assertEqual(['W/"1"', '"1"', None], self.tags_tried('W/"1"', None))
        self.assertEqual(['"1"', None], self.tags_tried('"1"', None))

    def test_refusal_without_an_etag(self) -> None:
        """A refusal of a request without an ETag is final."""
        self.assertRaises(sushy.exceptions.HTTPError, self.tags_tried, None, '"1"')


class TestErrors(TransportTestCase):
    def test_malformed_error_bodies(self) -> None:
        """Any body of an error response leads to the error of its status."""
        for body in (
            b"",
            b"<html>",
            b"[]",
            b'"x"',
            b'{"error": "x"}',
            b'{"error": {"code": 5, "message": null, "@Message.ExtendedInfo": "x"}}',
            b'{"error": {"@Message.ExtendedInfo": ["x", 1, null]}}',
            b'{"error": {"@Message.ExtendedInfo": {"Message": "x"}}}',
            b"[" * 100_000,
        ):
            self.assertEqual(500, self.error("500 Oops", body).status_code)

    def test_faults_of_errors(self) -> None:
        """Status and message decide on the fault of an error: busy, refused credentials, or any other."""
        busy = {"error": {"code": "Base.1.8.GeneralError", "@Message.ExtendedInfo": [{"MessageId": "IDRAC.2.1.SYS518"}]}}
        other = {"error": {"code": "Base.1.8.PropertyValueNotInList", "message": "no"}}
        for status, body, fault in (
            ("503 Busy", {}, Fault.BUSY),
            ("429 Slowly", {}, Fault.BUSY),
            ("400 Bad", busy, Fault.BUSY),
            ("409 Conflict", other, Fault.OTHER),
            ("403 Forbidden", {}, Fault.OTHER),
            ("401 Unauthorized", {}, Fault.AUTH),
            ("500 Oops", {}, Fault.OTHER),
        ):
            failure = self.error(status, json.dumps(body).encode())
            self.assertEqual(fault, RedfishConnector().classify(failure), status)

    def test_missing_privilege_is_no_wrong_password(self) -> None:
        """The error for a missing privilege names the option with the account."""
        self.assertIn("redfish_username", str(self.error("403 Forbidden", b"")))


class TestSushy(TransportTestCase):
    def test_objects_of_sushy_work(self) -> None:
        """A sushy object reads, acts and changes through the transport, and its garbage collection sends nothing."""
        requests: list[bytes] = []
        system = {
            "Id": "1",
            "PowerState": "Off",
            "Boot": {"BootSourceOverrideTarget@Redfish.AllowableValues": ["Pxe"]},
            "Actions": {"#ComputerSystem.Reset": {"target": "/reset", "ResetType@Redfish.AllowableValues": ["On"]}},
        }
        answers = {
            "/s": answer(json.dumps(system).encode(), headers='ETag: "7"\r\n'),
            "/reset": answer(b"", status="202 Accepted", headers="Location: /task\r\n"),
        }
        found = System(self.transport(documents(answers, requests)), "/s")
        found.reset_system(sushy.ResetType.ON)
        found.set_system_boot_options(sushy.BootSource.PXE, enabled=sushy.BootSourceOverrideEnabled.ONCE)
        asked = [request.split(b" HTTP")[0].decode() for request in requests]
        self.assertEqual(["GET /s", "POST /reset", "GET /s", "PATCH /s"], asked)
        self.assertIn(b'If-Match: "7"', requests[-1])
        del found
        gc.collect()
        self.assertEqual(4, len(requests))

    def test_no_secret_is_logged(self) -> None:
        """Neither the token nor a request's body is logged."""
        lines: list[str] = []

        class Keeping(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                lines.append(record.getMessage())

        root = logging.getLogger()
        handler, level = Keeping(), root.level
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        self.addCleanup(root.setLevel, level)
        self.addCleanup(root.removeHandler, handler)
        transport = self.transport(answering(answer(status="500 Oops")))
        self.assertRaises(sushy.exceptions.HTTPError, transport.post, "/x", {"Password": "hidden"})
        self.assertNotIn("s3cret", " ".join(lines))
        self.assertNotIn("hidden", " ".join(lines))
