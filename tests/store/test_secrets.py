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

from baremetal_sdk.bmc.auth_breaker import Refusal
from baremetal_sdk.bmc.stored_refusals import StoredRefusals
from baremetal_sdk.conductor.key_rotation import KeyRotation
from baremetal_sdk.drivers.credentials import CredentialFiles, CredentialVariables
from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.store import FernetBox, MemoryStore, NodeQuery, NodeRecord, PlainBox
from baremetal_sdk.store.secrets import EnvironmentBox
from tests.fixtures.stores import new_uuid

SECRETS = {"redfish_password": "hunter2 \N{SNOWMAN}", "empty": ""}


class SecretsTest(TestCase):
    """Boxes that seal secrets, and their key file."""

    def setUp(self) -> None:
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = Path(directory.name) / "secret.key"

    def test_sealed_secrets_are_unsealed(self) -> None:
        """Secrets that were sealed for a node are unsealed for it, also after a restart."""
        sealed = FernetBox(self.path).seal(SECRETS, "node-1")
        self.assertEqual(SECRETS, FernetBox(self.path).unseal(sealed, "node-1"))
        self.assertNotIn(b"hunter2", sealed)
        self.assertEqual(SECRETS, PlainBox().unseal(PlainBox().seal(SECRETS, "node-1"), "node-1"))

    def test_secrets_of_another_node_are_refused(self) -> None:
        """Sealed secrets that were copied from another node cannot be unsealed."""
        for box in (FernetBox(self.path), PlainBox()):
            sealed = box.seal(SECRETS, "node-1")
            error = self.assertRaises(ConfigurationError, box.unseal, sealed, "node-2")
            self.assertIn("node-2", str(error))
            self.assertNotIn("hunter2", str(error))

    def test_error_for_another_key_names_node_and_file(self) -> None:
        """The error for secrets that are damaged or sealed with another key names the node and the file."""
        sealed = FernetBox(self.path).seal(SECRETS, "node-1")
        other = FernetBox(self.path.with_name("other.key"))
        for wrong in (sealed, sealed[:-5], b"", b"\xff"):
            error = self.assertRaises(ConfigurationError, other.unseal, wrong, "node-1")
            self.assertIn("node-1", str(error))
            self.assertIn("other.key", str(error))

    def test_created_key_file_is_private(self) -> None:
        """A missing key file is created with mode 0600, without other files beside it."""
        FernetBox(self.path)
        self.assertEqual(0o600, stat.S_IMODE(self.path.stat().st_mode))
        self.assertEqual([self.path], list(self.path.parent.iterdir()))

    def test_concurrent_starts_use_one_key(self) -> None:
        """Several processes that start without a key file use the same key."""
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
            self.assertEqual([SECRETS] * threads, [boxes[0].unseal(data, "node-1") for data in sealed])

    def test_unusable_key_file_is_named(self) -> None:
        """The error for an unusable key file names the file and does not quote its content."""
        self.path.write_text("hunter2")
        empty = self.path.with_name("empty.key")
        empty.touch()
        for wrong in (self.path, empty, self.path.parent, self.path.parent / "missing" / "secret.key"):
            error = self.assertRaises(ConfigurationError, FernetBox, wrong)
            self.assertIn(str(wrong), str(error))
            self.assertNotIn("hunter2", str(error))

    def test_key_can_be_changed(self) -> None:
        """The first key of the file seals, and the other keys still unseal."""
        old = FernetBox(self.path)
        sealed = old.seal(SECRETS, "node-1")
        self.path.write_bytes(Fernet.generate_key() + b"\n" + self.path.read_bytes())
        new = FernetBox(self.path)
        self.assertEqual(SECRETS, new.unseal(sealed, "node-1"))
        self.assertRaises(ConfigurationError, old.unseal, new.seal(SECRETS, "node-1"), "node-1")

    def test_keys_can_come_from_the_environment(self) -> None:
        """Keys from a variable are separated by white space, and the error for a missing key names the variable."""
        keys = [Fernet.generate_key().decode() for _ in range(2)]
        self.useFixture(EnvironmentVariable("TEST_KEYS", keys[1]))
        sealed = EnvironmentBox("TEST_KEYS").seal(SECRETS, "node-1")
        self.useFixture(EnvironmentVariable("TEST_KEYS", " ".join(keys)))
        box = EnvironmentBox("TEST_KEYS")
        self.assertEqual(SECRETS, box.unseal(sealed, "node-1"))
        self.assertIs(False, box.is_current(sealed))
        self.assertIs(True, box.is_current(box.seal(SECRETS, "node-1")))
        self.assertRaisesRegex(ConfigurationError, "TEST_NO_KEYS", EnvironmentBox, "TEST_NO_KEYS")

    def test_key_rotation_seals_again_with_the_first_key(self) -> None:
        """After key rotation the older key can be removed, and nodes that are held are reported as left."""
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

    def test_refused_logins_are_known_after_the_old_key_is_removed(self) -> None:
        """A rotation also encrypts the credentials of refused logins again, so they are known without the old key."""
        store, box = MemoryStore(), FernetBox(self.path)
        refusal = Refusal({b"digest": 2})
        StoredRefusals(store, box).put("https://bmc#admin", refusal)
        self.path.write_bytes(Fernet.generate_key() + b"\n" + self.path.read_bytes())
        KeyRotation(store, box).reload()
        self.path.write_bytes(self.path.read_bytes().split()[0])
        self.assertEqual(refusal, StoredRefusals(store, FernetBox(self.path)).get("https://bmc#admin"))

    def test_plain_secrets_are_not_printed(self) -> None:
        """No representation of secrets in memory, or of their container, shows them."""
        box, store = PlainBox(), MemoryStore()
        node = store.create_node(NodeRecord(uuid=new_uuid(), sealed_secrets=box.seal(SECRETS, "n")), fence=None)
        shown = f"{node} {node!r} {node.sealed_secrets} {store.nodes(NodeQuery())!r} {node.sealed_secrets!s}"
        self.assertNotIn("hunter2", shown)
        assert node.sealed_secrets is not None
        self.assertEqual(SECRETS, box.unseal(node.sealed_secrets, "n"))


class ExternalCredentialsTest(TestCase):
    """Credentials from files and from environment variables."""

    def test_files_of_a_node_override_common_files(self) -> None:
        """A node's own file overrides the common file, a replaced file is read again, and a missing file is no secret."""
        with tempfile.TemporaryDirectory() as directory:
            files, own = CredentialFiles(directory), Path(directory, "n1")
            own.mkdir()
            Path(directory, "redfish_password").write_text("everybody\n")
            (own / "redfish_password").write_text("own\n")
            self.assertEqual(["own", "everybody"], [files.secret(node, "redfish_password") for node in ("n1", "n2")])
            (own / "redfish_password").write_text("newer")
            self.assertEqual(["newer", None], [files.secret("n1", name) for name in ("redfish_password", "ipmi_password")])

    def test_unreadable_file_is_named(self) -> None:
        """The error for an unreadable file names the option and the path, and does not quote the content."""
        with tempfile.TemporaryDirectory() as directory:
            Path(directory, "ipmi_password").write_bytes(b"\xffsecret")
            error = self.assertRaises(ConfigurationError, CredentialFiles(directory).secret, "n1", "ipmi_password")
            self.assertIn(f"{directory}/ipmi_password", str(error))
            self.assertNotIn("secret", str(error))

    def test_variables_are_named_after_the_option(self) -> None:
        """The variable of a credential is the prefix followed by the option's name in capitals."""
        self.useFixture(EnvironmentVariable("BMC_REDFISH_PASSWORD", "from outside"))
        variables = CredentialVariables("BMC_")
        self.assertEqual(["from outside", None], [variables.secret("n1", name) for name in ("redfish_password", "other")])
