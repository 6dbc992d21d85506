"""The definition of a secret: names of fields, and passwords and signatures in URLs."""

from __future__ import annotations

import json

from testtools import TestCase

from baremetal_interfaces import MASK
from baremetal_interfaces.secret_fields import (
    collect_secret_values,
    is_secret_name,
    mask_secrets,
    mask_urls,
    may_contain_secrets,
    replace_secrets,
)

SECRET_NAMES = (
    "password", "redfish_password", "AdminPassword", "adminPass", "passwd", "db_pass", "user_pwd", "passphrase", "pswd", "psk",
    "image_auth_token", "X-Auth-Token", "snmp_community", "api_key", "apiKey", "X-API-Key", "private_key", "privateKey",
    "snmp_auth_key", "snmp_priv_key", "access_key", "ipmi_hex_kg_key", "ssl_key", "encryption_key", "configdrive", "credential",
    "client_secret", "Authorization",
)  # fmt: skip
PLAIN_NAMES = (
    "token_id", "secret_uuid", "password_file", "ssh_private_key_path", "token_expiry_time", "credential_name", "monkey",
    "keyboard", "bypass", "compass", "key", "image_source", "boot_iso",
)  # fmt: skip


class SecretNamesTest(TestCase):
    """Names of fields."""

    def test_names_of_secrets(self) -> None:
        """Names of secrets are found in every style of writing, and names that only refer to a secret are not secret."""
        self.assertEqual([], [name for name in SECRET_NAMES if not is_secret_name(name)])
        self.assertEqual([], [name for name in PLAIN_NAMES if is_secret_name(name)])

    def test_fast_check_overlooks_no_secret(self) -> None:
        """The check that saves the decoding of JSON is true for each secret name and for each kind of URL with a secret."""
        for name in SECRET_NAMES:
            self.assertTrue(may_contain_secrets(json.dumps({name: "x"})), name)
        for url in ("http://u:p@h/", "/x?sig=1", "/x?a=1&X-Amz-Signature=1", "x?temp_url_sig=2"):
            self.assertNotEqual(url, mask_urls(url))
            self.assertTrue(may_contain_secrets(url), url)


class SecretValuesTest(TestCase):
    """Values with secrets."""

    def test_urls(self) -> None:
        """Passwords, long tokens and signatures in URLs are secret; hosts, paths, users and other parameters are not."""
        masked = {
            "http://u:p@h/x": f"http://{MASK}@h/x",
            "http://u:p@ss@h/x": f"http://{MASK}@h/x",
            "http://:p@[fd00::1]:80/": f"http://{MASK}@[fd00::1]:80/",
            "https://ghp_0123456789abcdefghij@h/": f"https://{MASK}@h/",
            "see http://u:p@h/x and http://v:q@i": f"see http://{MASK}@h/x and http://{MASK}@i",
            "http://h/x?a=1&sig=s%2Bs&b=2": f"http://h/x?a=1&sig={MASK}&b=2",
            "http://h/x?X-Amz-Signature=s&X-Amz-Date=d": f"http://h/x?X-Amz-Signature={MASK}&X-Amz-Date=d",
            "http://h/x#access_token=t": f"http://h/x#access_token={MASK}",
            "http://h/x?password=p": f"http://h/x?password={MASK}",
        }
        self.assertEqual(masked, {url: mask_urls(url) for url in masked})
        for url in ("http://h:80/x", "ssh://root@h/x", "http://h/x?design=1", "http://h/a:b@c", "file:///a@b", "a: b@c?x=1"):
            self.assertEqual(url, mask_urls(url))

    def test_secrets_at_any_depth(self) -> None:
        """Secrets are masked at any depth, and empty values, numbers of other fields and masks stay."""
        value = {"a": [{"password": "p", "n": 1}, "http://u:p@h"], "token": "", "secret": None, "deep": {"api_key": {"k": "v"}}}
        expected = {"a": [{"password": MASK, "n": 1}, f"http://{MASK}@h"], "token": "", "secret": None, "deep": {"api_key": MASK}}
        self.assertEqual(expected, mask_secrets(value))

    def test_values_without_secrets_are_not_copied(self) -> None:
        """A value without secrets is returned itself, which keeps the rendering of many nodes fast."""
        value = {"a": [{"b": "http://h/x"}, 1, None], "c": {"d": "e"}}
        self.assertIs(value, mask_secrets(value))

    def test_pairs_of_name_and_value(self) -> None:
        """With pairs, the value of an object that names a secret is secret: settings, headers and inspection rules."""
        for pair in ({"name": "AdminPassword", "value": "p"}, {"path": "driver_info/redfish_password", "value": "p"}):
            self.assertEqual({**pair, "value": MASK}, replace_secrets(pair, lambda secret: MASK, str, pairs=True))
            self.assertEqual(pair, mask_secrets(pair))

    def test_collected_values(self) -> None:
        """All secrets of a value are found as texts, for the redaction of errors; the password of a URL also alone."""
        value = {"password": "p1", "pin_token": 1234, "url": "http://u:p2@h/?sig=s3", "credential": {"a": ["p4"]}, "token": MASK}
        self.assertEqual({"p1", "1234", "u:p2", "p2", "s3", "p4"}, set(collect_secret_values(value)))
        self.assertEqual(("x",), collect_secret_values({"pdu_pin": "x"}, {"pdu_pin"}))
