"""Removal of secrets from texts and errors: no form of a secret stays, and no mask reveals a secret or spoils a message."""

from __future__ import annotations

import base64
import json
import pickle
import time
from urllib.parse import quote

from testtools import TestCase

from baremetal_interfaces import MASK, DriverError, Endpoint, InvalidInput, NotSupported, Problem
from baremetal_interfaces.faults import scrub, translate
from baremetal_interfaces.redaction import redact_text, redact_value
from tests.contract.acme import AcmeConnector, AcmeError, Fault

SECRET = 'h9"é/S\\3cret x'
WORDS = ("power", "console", "password", "o", "b", "root", "network", "it")


def redact(exc: Exception, *secrets: str, connected: bool = False) -> Exception:
    connector, where = (AcmeConnector(), Endpoint("https", "10.0.0.7", 443)) if connected else (None, None)
    return translate(exc, connector=connector, endpoint=where, secrets=secrets)


def everything(exc: Exception) -> str:
    """Return all texts that a caller, a log or another process can get from *exc*."""
    notes = getattr(exc, "__notes__", ())
    parts = (str(exc), repr(exc), exc.args, vars(exc), notes, exc.__cause__, exc.__context__, pickle.dumps(exc))
    return " ".join(map(repr, parts))


class SecretsInTextsTest(TestCase):
    """Each form of a secret is masked in a foreign text."""

    def test_each_encoding_is_masked(self) -> None:
        """A secret is masked as it stands in URLs, JSON, representations, headers and hexadecimal dumps."""
        forms = {
            "plain": SECRET,
            "URL": quote(SECRET, safe=""),
            "URL in lower case": quote(SECRET, safe="").replace("%C3%A9", "%c3%a9"),
            "JSON": json.dumps({"Password": SECRET}),
            "repr": repr(SECRET),
            "repr of bytes": repr(SECRET.encode()),
            "base64": base64.b64encode(SECRET.encode()).decode(),
            "base64 with an account": base64.b64encode(f"admin:{SECRET}".encode()).decode(),
            "base64 between other data": base64.b64encode(f"xy{SECRET}z".encode()).decode(),
            "hexadecimal": SECRET.encode().hex(),
        }
        for name, form in forms.items():
            self.assertNotIn(form, scrub(f"before {form} after", [SECRET]), name)
            self.assertIn(MASK, scrub(f"before {form} after", [SECRET]), name)

    def test_short_secret_is_masked_as_a_whole_word_only(self) -> None:
        """A short secret is masked where it is a word, and stays as a part of another word."""
        self.assertEqual(f"{MASK} of calvinism, {MASK}!", scrub("calvin of calvinism, calvin!", ["calvin"]))

    def test_ordinary_word_is_masked_only_where_it_is_a_credential(self) -> None:
        """A password that is an ordinary word is masked after a word such as "password", and elsewhere the text stays."""
        for word in WORDS:
            sentence = f"the {word} of the BMC, its {word}_interface and no-{word}"
            self.assertEqual(sentence, scrub(sentence, [word]))
            for before in ("password: ", "password=", "'token': '", "http://admin:"):
                self.assertEqual(f"{before}{MASK}", scrub(f"{before}{word}", [word]))

    def test_headers_and_signed_urls_are_masked_without_a_known_secret(self) -> None:
        """Values of authentication headers, and passwords and signatures in URLs, are masked although they are unknown."""
        for text in (
            "sent {'Authorization': 'Basic UNKNOWN9', 'Accept': '*/*'}",
            "X-Auth-Token: UNKNOWN9",
            "GET http://user:UNKNOWN9@host/path failed",
            "http://host/x.iso?a=b&sig=UNKNOWN9&c=d is not an image",
            "http://host/x?X-Amz-Signature=UNKNOWN9",
        ):
            redacted = redact_text(text, [])
            self.assertNotIn("UNKNOWN9", redacted)
            self.assertIn(MASK, redacted)

    def test_lines_of_a_private_key_are_masked(self) -> None:
        """Each line of a secret with several lines is masked alone, because a text may quote only a part."""
        key = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqG\nSM49AwEHBG0wawIBAQQgQ1"
        self.assertNotIn("MIGHAgEAMBMGByqGSM49", scrub("unexpected line MIGHAgEAMBMGByqGSM49AgEGCCqG", [key]))


class SecretsInErrorsTest(TestCase):
    """An error has no secret in any of its parts after its translation."""

    def test_all_parts_of_an_error_of_the_contract(self) -> None:
        """Message, problems, nested details, notes, cause, context and other attributes lose the secret."""
        secret = "s3same-SECRET-9f2"
        error = InvalidInput(
            [Problem("driver_info/x", f"{secret!r} is short", f"not {secret}")], nested={"a": [{secret: secret}]}
        )
        error.details |= {
            "bytes": secret.encode(),
            "set": {secret},
            "exception": ValueError(secret),
            "url": f"http://u:{secret}@h",
        }
        error.add_note(f"token {secret}")
        error.__dict__["headers"] = {"X-Auth-Token": secret}
        try:
            try:
                raise ValueError(secret)
            except ValueError as exc:
                raise error from exc
        except InvalidInput as exc:
            found = redact(exc, secret)
        self.assertIs(error, found)
        self.assertNotIn(secret, everything(found))
        assert isinstance(found, InvalidInput)
        self.assertEqual([("driver_info/x", f"'{MASK}' is short", f"not {MASK}")], list(found.problems))
        self.assertEqual(f"driver_info/x: '{MASK}' is short; not {MASK}", found.message)

    def test_field_of_a_secret_in_details_is_masked(self) -> None:
        """A detail with the name of a secret is masked although its value is unknown or an ordinary word."""
        found = redact(DriverError("no", body={"password": "power", "user": "a"}), "power")
        assert isinstance(found, DriverError)
        self.assertEqual({"body": {"password": MASK, "user": "a"}}, found.details)

    def test_problem_of_a_secret_option_masks_an_ordinary_word(self) -> None:
        """The problem of an option with the name of a secret is about the secret, so each occurrence as a word is masked."""
        found = redact(InvalidInput([Problem("driver_info/pdu_password", "power is too short", "8 characters")]), "power")
        self.assertEqual(f"driver_info/pdu_password: {MASK} is too short; 8 characters", str(found))

    def test_own_sentences_stay_for_any_password(self) -> None:
        """A password that is a word of our own sentences neither changes them nor is it revealed by a mask."""
        for word in WORDS:
            for fault in Fault:
                expected = str(redact(AcmeError("boom", fault), connected=True))
                self.assertEqual(expected, str(redact(AcmeError("boom", fault), word, connected=True)), word)
                again = redact(redact(AcmeError("boom", fault), word, connected=True), word)
                self.assertEqual(expected, str(again), word)
            sentence = f"node dp has no {word} interface ({word}_interface is 'no-{word}')"
            self.assertEqual(sentence, str(redact(NotSupported(sentence), word)))

    def test_foreign_text_is_one_bounded_line(self) -> None:
        """The text of a foreign exception enters the message as one short line, also if its class cannot make a text."""
        found = str(redact(ValueError("a\nb\0" + "x" * 100_000)))
        self.assertTrue(found.startswith(r"the driver failed: ValueError: a\nb\x00xxx"), found[:80])
        self.assertLess(len(found), 5000)

        class Unreadable(Exception):
            """An exception without a usable text."""

            def __str__(self) -> str:
                raise RuntimeError("no")

        self.assertIn("RuntimeError", str(redact(Unreadable())))

    def test_deeply_nested_value_ends_in_a_mask(self) -> None:
        """A value that is nested without end is cut, so that redaction always ends."""
        value: dict[str, object] = {}
        value["again"] = value
        self.assertIn(MASK, repr(redact_value(value, ["x"])))


class CostTest(TestCase):
    def test_long_texts_take_little_time(self) -> None:
        """The time of a redaction grows with the length of a text and not with its square, whatever the text repeats."""
        secrets = ("password", "o", "s3cr3t-Pa55w0rd!", "a b%c/d+e?")
        repeated = (
            "x",
            "a/",
            "-_",
            "://",
            "http://a:b",
            "a@",
            "password ",
            '"password',
            "cookie:",
            "basic ",
            "?",
            "a?",
            "?a=b&",
            "\n",
        )
        begun = time.process_time()
        for text in repeated:
            redact_text(text * (200_000 // len(text)), secrets)
        self.assertLess(time.process_time() - begun, 30.0)
