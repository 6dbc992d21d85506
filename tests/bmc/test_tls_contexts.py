"""TLS contexts of BMCs: shared by content, created anew for changed files, and bounded in number."""

from __future__ import annotations

import tempfile
from pathlib import Path

from testtools import TestCase

from baremetal_interfaces import Deadline, InvalidInput, TLSOptions
from baremetal_sdk.bmc.tls_contexts import TLSContexts
from tests.fixtures.certificates import write_certificate

TIMEOUT_S = 20.0


class TestTLSContexts(TestCase):
    def setUp(self) -> None:
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.certificate = Path(write_certificate(directory.name, "server", ["127.0.0.1"])[0]).read_bytes()
        self.contexts = TLSContexts()

    def get(self, path: Path | None, **options: str) -> object:
        ca_file = None if path is None else str(path)
        return self.contexts.get(TLSOptions(ca_file=ca_file, **options), Deadline.after(TIMEOUT_S))

    def write(self, name: str, content: bytes) -> Path:
        path = self.directory / name
        path.write_bytes(content)
        return path

    def test_files_with_one_content_share_a_context(self) -> None:
        """The content of a file is the key, and not its path; other options make another context."""
        first, second = self.write("first", self.certificate), self.write("second", self.certificate)
        self.assertIs(self.get(first), self.get(second))
        self.assertIs(self.get(None), self.get(None))
        self.assertIsNot(self.get(first), self.get(None))
        self.assertIsNot(self.get(first), self.get(first, minimum_version="TLSv1.3"))

    def test_a_changed_file_applies_at_the_next_login(self) -> None:
        """A file is read for each login."""
        path = self.write("ca", self.certificate)
        before = self.get(path)
        self.write("ca", self.certificate + b"\n" + Path(write_certificate(str(self.directory), "x", ["::1"])[0]).read_bytes())
        self.assertIsNot(before, self.get(path))
        self.write("ca", b"no certificate")
        self.assertRaises(InvalidInput, self.get, path)

    def test_the_number_of_contexts_is_bounded(self) -> None:
        """Files of clients do not fill the memory: the contexts used last are kept."""
        first = self.get(self.write("ca", self.certificate))
        for number in range(100):
            self.get(self.write("ca", self.certificate + b"\n" * number + b"#"))
        self.assertIsNot(first, self.get(self.write("ca", self.certificate)))

    def test_an_allowed_directory(self) -> None:
        """With an allowed directory, no other file is used."""
        path = self.write("ca", self.certificate)
        self.contexts = TLSContexts(str(self.directory))
        self.get(path)
        self.contexts = TLSContexts(str(self.directory / "below"))
        self.assertRaises(InvalidInput, self.get, path)
