from __future__ import annotations

from testtools import TestCase

from baremetal_interfaces import Endpoint, InvalidInput, TLSOptions
from baremetal_redfish.info import RedfishInfo


def info(address: str = "bmc.example", **more: object) -> RedfishInfo:
    return RedfishInfo.parse({"redfish_address": address, **more})


class TestAddress(TestCase):
    def test_forms_of_an_address(self) -> None:
        """An address is a URL or a host; a host alone stands for https."""
        for address, expected in (
            ("bmc.example", ("https", "bmc.example", None)),
            ("192.0.2.1:8443", ("https", "192.0.2.1", 8443)),
            ("http://192.0.2.1:8000/", ("http", "192.0.2.1", 8000)),
            ("https://[2001:db8::1]:444", ("https", "2001:db8::1", 444)),
            ("2001:db8::1", ("https", "2001:db8::1", None)),
            ("[2001:0db8:0::1]", ("https", "2001:db8::1", None)),
            ("https://[fe80::1%25eth0]:444", ("https", "fe80::1%eth0", 444)),
            ("fe80::1%eth0", ("https", "fe80::1%eth0", None)),
            (" BMC.example ", ("https", "bmc.example", None)),
        ):
            endpoint = info(address).endpoint()
            self.assertEqual(expected, (endpoint.scheme, endpoint.host, endpoint.port), address)

    def test_invalid_address(self) -> None:
        """The error for an invalid address contains the reason and the allowed forms."""
        for address, wrong in (
            ("ftp://bmc.example", "scheme 'ftp'"),
            ("bmc.example:99999", "is not an address"),
            ("bmc.example:0", "is not an address"),
            ("https://[2001:db8::1", "is not an address"),
            ("1:2:3", "is not an IPv6 address"),
            ("https://", "no valid host or port"),
            ("two words", "no valid host or port"),
            ("https://bmc.example/redfish/v1", "redfish_root_prefix"),
            ("bmc.example?x=y", "redfish_root_prefix"),
        ):
            failure = self.assertRaises(InvalidInput, info, address)
            self.assertIn("driver_info/redfish_address", str(failure))
            self.assertIn(wrong, str(failure))
            self.assertIn("a host name or an IP address", str(failure))

    def test_account_in_the_address_is_hidden(self) -> None:
        """An account in the address is refused and not repeated."""
        failure = self.assertRaises(InvalidInput, info, "https://root:calvin@bmc.example")
        self.assertIn("redfish_username", str(failure))
        self.assertNotIn("calvin", str(failure))

    def test_endpoint_contains_the_account(self) -> None:
        """The endpoint contains the username and the TLS options, and never the password."""
        endpoint = info(redfish_username="root", redfish_password="calvin", redfish_verify_ca=False).endpoint()
        self.assertEqual(Endpoint("https", "bmc.example", None, "root", TLSOptions(verify=False)), endpoint)
        self.assertIsNone(info("http://bmc.example").endpoint().tls)


class TestTrust(TestCase):
    def test_boolean_in_any_form(self) -> None:
        """redfish_verify_ca may be a JSON boolean or a boolean as text."""
        for value, verify in ((True, True), (False, False), ("True", True), ("False", False), ("no", False), ("1", True)):
            self.assertEqual(TLSOptions(verify=verify), info(redfish_verify_ca=value).tls, str(value))
        self.assertEqual(TLSOptions(verify=True), info().tls)

    def test_path(self) -> None:
        """redfish_verify_ca may be an absolute path. The answer is the same whether it exists or not."""
        for path in ("/", "/dev/null", "/no/such/file.pem"):
            self.assertEqual(TLSOptions(ca_file=path), info(redfish_verify_ca=path).tls)
        failure = self.assertRaises(InvalidInput, info, redfish_verify_ca="ca.pem")
        self.assertIn("driver_info/redfish_verify_ca: 'ca.pem' is not valid; true, false, or the absolute path", str(failure))


class TestAccount(TestCase):
    def test_both_or_none(self) -> None:
        """A username without a password, or the reverse, is refused by the name of the missing option."""
        failure = self.assertRaises(InvalidInput, info, redfish_username="root")
        self.assertIn("driver_info/redfish_password: is missing", str(failure))
        failure = self.assertRaises(InvalidInput, info, redfish_password="calvin")
        self.assertIn("driver_info/redfish_username: is missing", str(failure))
        self.assertNotIn("calvin", str(failure))

    def test_kind_of_login(self) -> None:
        """The kind of login is one of three, and all but ``auto`` require an account."""
        self.assertRaises(InvalidInput, info, redfish_auth_type="digest")
        failure = self.assertRaises(InvalidInput, info, redfish_auth_type="session")
        self.assertIn("driver_info/redfish_auth_type", str(failure))
        failure = self.assertRaises(InvalidInput, info, redfish_auth_type="basic", redfish_username="a:b", redfish_password="c")
        self.assertIn("contains a colon", str(failure))

    def test_password_is_hidden(self) -> None:
        """The password is a declared secret, and is not in the text of the options."""
        self.assertNotIn("calvin", repr(info(redfish_username="root", redfish_password="calvin")))
        self.assertEqual({"redfish_password"}, RedfishInfo.secrets())


class TestSystem(TestCase):
    def test_path_or_id(self) -> None:
        """The system is named by its path, or by its identifier below the service root; empty stands for the only system."""
        for value, path in (
            ("/redfish/v1/Systems/1/", "/redfish/v1/Systems/1"),
            ("System.Embedded.1", "/redfish/v1/Systems/System.Embedded.1"),
            ("/redfish/v1/Systems/a b", "/redfish/v1/Systems/a%20b"),
            ("", None),
            (None, None),
        ):
            self.assertEqual(path, info(redfish_system_id=value).system_path)
        self.assertEqual("/rf/Systems/1", info(redfish_system_id="1", redfish_root_prefix="/rf").system_path)

    def test_root_is_a_path(self) -> None:
        """The service root has to begin with a slash."""
        self.assertRaises(InvalidInput, info, redfish_root_prefix="redfish/v1")

    def test_unknown_quirks_are_refused(self) -> None:
        """An unknown quirk is refused with the list of quirks; known ones may have a minus sign before them."""
        info(redfish_quirks="none, -boot-without-mode, BOOT-ONCE-ONLY")
        failure = self.assertRaises(InvalidInput, info, redfish_quirks="boot-twice")
        self.assertIn("driver_info/redfish_quirks: 'boot-twice' is not a quirk", str(failure))
        self.assertIn("boot-once-only", str(failure))

    def test_all_problems_at_once(self) -> None:
        """The error contains all problems between the options."""
        failure = self.assertRaises(InvalidInput, info, "ftp://x", redfish_username="root", redfish_root_prefix="x")
        self.assertEqual(3, len(failure.problems))
