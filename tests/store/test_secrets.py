"""Sealing of credentials."""

from __future__ import annotations

import stat
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cryptography.fernet import Fernet
from fixtures import EnvironmentVariable
from testtools import TestCase

from baremetal_sdk.conductor.key_rotation import KeyRotation
from baremetal_sdk.drivers.credentials import CredentialFiles, CredentialVariables
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.store import FernetBox, MemoryStore, NodeQuery, NodeRecord, PlainBox
from baremetal_sdk.store.secrets import EnvironmentBox
from tests.fixtures.stores import new_uuid

SECRETS = {"redfish_password": "hunter2 \N{SNOWMAN}", "empty": ""}


class SecretsTest(TestCase):
    """Boxes that seal secrets, and the file with their key."""

    def setUp(self) -> None:
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = Path(directory.name) / "secret.key"

    def test_sealed_secrets_open_again(self) -> None:
        """What was sealed for a node opens for it, also after a restart."""
        sealed = FernetBox(self.path).seal(SECRETS, "node-1")
        self.assertEqual(SECRETS, FernetBox(self.path).unseal(sealed, "node-1"))
        self.assertNotIn(b"hunter2", sealed)
        self.assertEqual(SECRETS, PlainBox().unseal(PlainBox().seal(SECRETS, "node-1"), "node-1"))

    def test_secrets_of_another_node_are_refused(self) -> None:
        """A seal that was copied from one node to another does not open there."""
        for box in (FernetBox(self.path), PlainBox()):
            sealed = box.seal(SECRETS, "node-1")
            error = self.assertRaises(ConfigurationError, box.unseal, sealed, "node-2")
            self.assertIn("node-2", str(error))
            self.assertNotIn("hunter2", str(error))

    def test_another_key_is_told(self) -> None:
        """Secrets that were sealed with another key, or damaged, name the node and the file."""
        sealed = FernetBox(self.path).seal(SECRETS, "node-1")
        other = FernetBox(self.path.with_name("other.key"))
        for wrong in (sealed, sealed[:-5], b"", b"\xff"):
            error = self.assertRaises(ConfigurationError, other.unseal, wrong, "node-1")
            self.assertIn("node-1", str(error))
            self.assertIn("other.key", str(error))

    def test_made_key_file_is_for_its_owner_alone(self) -> None:
        """A key file that is missing is made with mode 0600, and nothing else is left beside it."""
        FernetBox(self.path)
        self.assertEqual(0o600, stat.S_IMODE(self.path.stat().st_mode))
        self.assertEqual([self.path], list(self.path.parent.iterdir()))

    def test_racing_starts_get_one_key(self) -> None:
        """Of several that find no key file all use the same key."""
        threads = 8
        for turn in range(5):
            path = self.path.with_name(f"{turn}.key")
            barrier = threading.Barrier(threads)

            def start(_: int, path: Path = path, barrier: threading.Barrier = barrier) -> FernetBox:
                barrier.wait(60)
                return FernetBox(path)

            with ThreadPoolExecutor(threads) as pool:
                boxes = list(pool.map(start, range(threads)))
            sealed = [box.seal(SECRETS, "node-1") for box in boxes]
            self.assertEqual([SECRETS] * threads, [boxes[0].unseal(each, "node-1") for each in sealed])

    def test_unusable_key_files_are_told(self) -> None:
        """A key file that cannot be read or has no key is named, and its content is not repeated."""
        self.path.write_text("hunter2")
        empty = self.path.with_name("empty.key")
        empty.touch()
        for wrong in (self.path, empty, self.path.parent, self.path.parent / "missing" / "secret.key"):
            error = self.assertRaises(ConfigurationError, FernetBox, wrong)
            self.assertIn(str(wrong), str(error))
            self.assertNotIn("hunter2", str(error))

    def test_key_can_be_changed(self) -> None:
        """The first key of the file seals, and those below still open."""
        old = FernetBox(self.path)
        sealed = old.seal(SECRETS, "node-1")
        self.path.write_bytes(Fernet.generate_key() + b"\n" + self.path.read_bytes())
        new = FernetBox(self.path)
        self.assertEqual(SECRETS, new.unseal(sealed, "node-1"))
        self.assertRaises(ConfigurationError, old.unseal, new.seal(SECRETS, "node-1"), "node-1")

    def test_keys_can_come_from_the_environment(self) -> None:
        """White space stands between them; without one it is told which variable is meant."""
        keys = [Fernet.generate_key().decode() for _ in range(2)]
        self.useFixture(EnvironmentVariable("TEST_KEYS", keys[1]))
        sealed = EnvironmentBox("TEST_KEYS").seal(SECRETS, "node-1")
        self.useFixture(EnvironmentVariable("TEST_KEYS", " ".join(keys)))
        box = EnvironmentBox("TEST_KEYS")
        self.assertEqual(SECRETS, box.unseal(sealed, "node-1"))
        self.assertEqual((False, True), (box.is_current(sealed), box.is_current(box.seal(SECRETS, "node-1"))))
        self.assertRaisesRegex(ConfigurationError, "TEST_NO_KEYS", EnvironmentBox, "TEST_NO_KEYS")

    def test_what_an_older_key_has_sealed_is_sealed_anew(self) -> None:
        """Then the older key can be taken away; a node that somebody works on is told to be left."""
        store, box = MemoryStore(), FernetBox(self.path)
        nodes = [new_uuid() for _ in range(3)]
        for node in nodes:
            store.create_node(NodeRecord(uuid=node, driver="fake", sealed_secrets=box.seal(SECRETS, node)), fence=None)
        store.take_lease(nodes[2], holder="somebody/1", purpose="work", duration=60.0)
        self.path.write_bytes(Fernet.generate_key() + b"\n" + self.path.read_bytes())
        key_rotation = KeyRotation(store, box)
        key_rotation.reload()
        self.assertEqual(1, key_rotation.run())
        self.path.write_bytes(self.path.read_bytes().split()[0])
        box.reload()
        self.assertEqual([SECRETS] * 2, [box.unseal(store.node(node).sealed_secrets or b"", node) for node in nodes[:2]])

    def test_plain_secrets_are_not_printed(self) -> None:
        """Secrets that are kept in memory show in no representation, of theirs or of what holds them."""
        box, store = PlainBox(), MemoryStore()
        node = store.create_node(NodeRecord(uuid=new_uuid(), sealed_secrets=box.seal(SECRETS, "n")), fence=None)
        shown = f"{node} {node!r} {node.sealed_secrets} {store.nodes(NodeQuery())!r} {node.sealed_secrets!s}"
        self.assertNotIn("hunter2", shown)
        assert node.sealed_secrets is not None
        self.assertEqual(SECRETS, box.unseal(node.sealed_secrets, "n"))


class CredentialsElsewhereTest(TestCase):
    """Secrets that are not in the database."""

    def test_files_of_a_node_come_before_those_of_all(self) -> None:
        """A file that is replaced counts at the next look; one that is not there is no secret."""
        with tempfile.TemporaryDirectory() as directory:
            files, own = CredentialFiles(directory), Path(directory, "n1")
            own.mkdir()
            Path(directory, "redfish_password").write_text("everybody\n")
            (own / "redfish_password").write_text("own\n")
            self.assertEqual(["own", "everybody"], [files.secret(node, "redfish_password") for node in ("n1", "n2")])
            (own / "redfish_password").write_text("newer")
            self.assertEqual(["newer", None], [files.secret("n1", name) for name in ("redfish_password", "ipmi_password")])

    def test_a_file_that_cannot_be_read_is_told_without_its_content(self) -> None:
        """It names the option and the path."""
        with tempfile.TemporaryDirectory() as directory:
            Path(directory, "ipmi_password").write_bytes(b"\xffsecret")
            error = self.assertRaises(ConfigurationError, CredentialFiles(directory).secret, "n1", "ipmi_password")
            self.assertIn(f"{directory}/ipmi_password", str(error))
            self.assertNotIn("secret", str(error))

    def test_variables_are_named_after_the_option(self) -> None:
        """A prefix, then the option in capitals."""
        self.useFixture(EnvironmentVariable("BMC_REDFISH_PASSWORD", "from outside"))
        variables = CredentialVariables("BMC_")
        self.assertEqual(["from outside", None], [variables.secret("n1", name) for name in ("redfish_password", "other")])
