"""Sealing of credentials."""

from __future__ import annotations

import stat
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cryptography.fernet import Fernet
from testtools import TestCase

from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.store import FernetBox, MemoryStore, NodeQuery, NodeRecord, PlainBox
from tests.store.fixture import new_uuid

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

    def test_plain_secrets_are_not_printed(self) -> None:
        """Secrets that are kept in memory show in no representation, of theirs or of what holds them."""
        box, store = PlainBox(), MemoryStore()
        node = store.create_node(NodeRecord(uuid=new_uuid(), sealed_secrets=box.seal(SECRETS, "n")), fence=None)
        shown = f"{node} {node!r} {node.sealed_secrets} {store.nodes(NodeQuery())!r} {node.sealed_secrets!s}"
        self.assertNotIn("hunter2", shown)
        assert node.sealed_secrets is not None
        self.assertEqual(SECRETS, box.unseal(node.sealed_secrets, "n"))
