"""The rules of the kit about secrets, for plugins whose secret is a token, and for ordinary passwords."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from testtools import TestCase

from baremetal_interfaces.conformance import Subject, run
from baremetal_interfaces.conformance.outcome import Verdict
from baremetal_interfaces.interface import Interface
from tests.contract import acme, broken_secrets

BROKEN: tuple[tuple[type[Interface], str, str], ...] = (
    (broken_secrets.TokenInError, "errors_hold_no_secret", "cannot log in with token <secret>"),
    (broken_secrets.TokenInLog, "log_lines_hold_no_secret", "baremetal_chatty writes a secret: logging in with <secret>"),
    (broken_secrets.TokenInDetails, "errors_hold_no_secret", "'header': '<secret>'"),
    (broken_secrets.TokenInNote, "errors_hold_no_secret", "with <secret>"),
    (broken_secrets.TokenInProblem, "errors_hold_no_secret", "'<secret>' is not known"),
    (broken_secrets.CheckedPower, "secrets_are_not_shown", "<secret> does not begin with tok-"),
)
"""Broken interface, the rule that catches it, and a part of the detail."""
_SECRET_RULES = ("errors_hold_no_secret", "log_lines_hold_no_secret", "secrets_are_not_shown", "wrong_password_is_tried_once")


class SecretRulesTest(TestCase):
    """The rules of the kit about secrets."""

    def setUp(self) -> None:
        super().setUp()
        self.address = f"10.0.0.{uuid.uuid4()}"
        acme.MACHINES[self.address] = acme.Machine()
        self.addCleanup(acme.MACHINES.pop, self.address)

    def examine(self, power: type[Interface], info: Mapping[str, str]) -> dict[str, tuple[Verdict, str]]:
        """Return verdict and detail of the rules about secrets for the interface *power*."""
        given = {"acme_address": self.address, **info}
        timing = {"timeout": 0.3, "poll_interval": 0.01, "grace": 0.5, "silence": 0.1}
        subject = Subject({"power": power}, given, misbehaving=acme.misbehaving(self.address), **timing)
        return {result.name: (result.verdict, result.detail) for result in run(subject) if result.name in _SECRET_RULES}

    def test_plugin_with_a_token_is_examined_by_each_rule(self) -> None:
        """The rules hold for a secret whose name is not "password": a sound plugin passes each of them."""
        found = self.examine(broken_secrets.TokenPower, {"acme_token": acme.PASSWORD})
        self.assertEqual(dict.fromkeys(_SECRET_RULES, (Verdict.PASSED, "")), found)

    def test_leaking_plugins_are_caught(self) -> None:
        """A token in a message, in details, a note, a problem, the log or a check of the options is found."""
        for power, rule, detail in BROKEN:
            verdict, found = self.examine(power, {"acme_token": acme.PASSWORD})[rule]
            self.assertEqual(Verdict.FAILED, verdict, power.__name__)
            self.assertIn(detail, found)
            self.assertNotIn(acme.PASSWORD, found)

    def test_ordinary_password_causes_no_false_failure(self) -> None:
        """A sound plugin passes with passwords that are words of its messages and names of its options."""
        before = acme.PASSWORD
        self.addCleanup(setattr, acme, "PASSWORD", before)
        for word in ("password", "admin", "o", "address"):
            acme.PASSWORD = word
            found = self.examine(acme.AcmePower, {"acme_password": word})
            self.assertEqual(dict.fromkeys(_SECRET_RULES, (Verdict.PASSED, "")), found, word)
