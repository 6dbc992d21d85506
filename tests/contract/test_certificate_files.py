"""Certificate files that TLS options name: regular files of bounded size, read by a deadline, and errors that reveal no paths."""

from __future__ import annotations

import logging
import os
import ssl
import subprocess
import tempfile
import threading
from pathlib import Path

from testtools import TestCase

from baremetal_interfaces import Deadline, DeadlineExceeded, InvalidInput
from baremetal_interfaces.connector import TLSOptions
from baremetal_interfaces.http import certificate_files, tls_context
from baremetal_interfaces.http.abandonable import AbandonableCalls
from tests.fixtures.certificates import write_certificate

TIMEOUT_S = 20.0


class CertificateCase(TestCase):
    def setUp(self) -> None:
        super().setUp()
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.certificate, self.key = write_certificate(directory.name, "server", ["127.0.0.1"])

    def write(self, name: str, content: bytes) -> str:
        path = self.directory / name
        path.write_bytes(content)
        return str(path)

    def load(self, path: str, ca_directory: str | None = None) -> ssl.SSLContext:
        return tls_context(TLSOptions(ca_file=path), Deadline.after(TIMEOUT_S), ca_directory=ca_directory)

    def count_authorities(self, path: str) -> int:
        return len(self.load(path).get_ca_certs())

    def refuse(self, path: str, ca_directory: str | None = None) -> str:
        return str(self.assertRaises(InvalidInput, self.load, path, ca_directory))


class TestAuthorities(CertificateCase):
    def test_only_regular_files_are_read(self) -> None:
        """A FIFO, a device, a terminal, a socket and a file of /proc are refused at once, and have no effect."""
        fifo = str(self.directory / "fifo")
        os.mkfifo(fifo)
        for path in (fifo, "/dev/ptmx", "/dev/zero", "/dev/null", "/proc/self/mounts", "/proc/kmsg"):
            self.assertIn("cannot be used", self.refuse(path), path)

    def test_the_size_is_limited(self) -> None:
        """A file above the limit and an empty file are refused, also if they contain a certificate."""
        certificate = Path(self.certificate).read_bytes()
        large = self.write("large", certificate + b"#" * certificate_files.MAX_FILE_BYTES)
        for path in (large, self.write("empty", b"")):
            self.refuse(path)
        self.assertEqual(1, self.count_authorities(self.write("fits", certificate + b"#\n" * 1000)))

    def test_hashed_directory(self) -> None:
        """The files of a directory that OpenSSL would read are authorities; other files and unusable ones are skipped."""
        hashed = self.directory / "hashed"
        hashed.mkdir()
        command = ["openssl", "x509", "-subject_hash", "-noout", "-in", self.certificate]
        name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        (hashed / f"{name}.0").symlink_to(self.certificate)
        os.mkfifo(hashed / f"{name}.1")
        (hashed / "00000000.0").write_bytes(b"no certificate")
        (hashed / "other.pem").write_bytes(Path(self.certificate).read_bytes())
        self.assertEqual(1, self.count_authorities(str(hashed)))
        (hashed / f"{name}.0").unlink()
        self.refuse(str(hashed))

    def test_large_directories_are_refused(self) -> None:
        """A directory with too many files is refused, and so is one whose files are too large in total."""
        for count, size in ((certificate_files.MAX_DIRECTORY_FILES + 1, 1), (5, certificate_files.MAX_FILE_BYTES)):
            with tempfile.TemporaryDirectory() as name:
                for number in range(count):
                    Path(name, f"{number:08x}.0").write_bytes(b"#" * size)
                self.refuse(name)

    def test_text_between_certificates_may_have_any_encoding(self) -> None:
        """Comments of a file with several certificates are skipped."""
        certificate = Path(self.certificate).read_bytes()
        other = Path(write_certificate(str(self.directory), "other", ["127.0.0.2"])[0]).read_bytes()
        path = self.write("bundle", b"# Zertifikat f\xfcr \xc3\xa4\n" + certificate + b"\n# \xff\n" + other)
        self.assertEqual(2, self.count_authorities(path))

    def test_errors_do_not_reveal_which_paths_exist(self) -> None:
        """The text is the same for a path that is absent, unreadable, not regular, too large or no certificate."""
        loop = self.directory / "loop"
        loop.symlink_to(loop)
        secret = self.write("secret", b"root:x:0:0")
        paths = [str(self.directory), secret, str(self.directory / "absent"), str(loop), f"{secret}/below", "/dev/null", "a\0b"]
        for ca_directory in (None, str(self.directory), "/nowhere"):
            texts = {self.refuse(path, ca_directory).replace(repr(path), "PATH") for path in paths}
            self.assertEqual(1, len(texts), texts)

    def test_the_log_has_the_reason(self) -> None:
        """An operator finds the reason for a refused file in the log."""
        with self.assertLogs(certificate_files.__name__, logging.WARNING) as log:
            self.refuse("/nowhere/ca.pem")
        self.assertIn("No such file", log.output[0])

    def test_allowed_directory(self) -> None:
        """With an allowed directory, files outside of it are refused, and links that an operator placed there are followed."""
        allowed = self.directory / "allowed"
        allowed.mkdir()
        (allowed / "link.pem").symlink_to(self.certificate)
        self.load(str(allowed / "link.pem"), str(allowed))
        for path in (self.certificate, f"{allowed}/../{Path(self.certificate).name}", f"{allowed}-other/ca.pem", "link.pem"):
            self.refuse(path, str(allowed))


class TestIdentity(CertificateCase):
    def test_client_certificate(self) -> None:
        """A certificate and its key may be two files or one."""
        both = self.write("both", Path(self.certificate).read_bytes() + Path(self.key).read_bytes())
        tls_context(TLSOptions(client_cert=self.certificate, client_key=self.key))
        tls_context(TLSOptions(client_cert=both))

    def test_unusable_client_certificate(self) -> None:
        """A FIFO, a missing key and an encrypted key are refused. No passphrase is asked for."""
        fifo = str(self.directory / "fifo")
        os.mkfifo(fifo)
        encrypted = str(self.directory / "encrypted")
        command = ["openssl", "pkey", "-aes256", "-passout", "pass:sesame", "-in", self.key, "-out", encrypted]
        subprocess.run(command, check=True, capture_output=True)
        for certificate, key in ((fifo, self.key), (self.certificate, fifo), (self.certificate, encrypted), ("/absent", None)):
            self.assertRaises(InvalidInput, tls_context, TLSOptions(client_cert=certificate, client_key=key))


class TestAbandonableCalls(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.go = threading.Event()
        self.addCleanup(self.go.set)
        self.started = 0
        self.calls: AbandonableCalls[str] = AbandonableCalls("test", 2)

    def hang(self) -> str:
        self.started += 1
        self.go.wait(TIMEOUT_S)
        return "result"

    def test_a_call_that_hangs_costs_its_caller_the_deadline(self) -> None:
        """Callers get TimeoutError at their deadlines, and all callers of one key share one thread."""
        for _ in range(5):
            self.assertRaises(TimeoutError, self.calls.run, "key", self.hang, Deadline.after(0.01))
        self.assertEqual(1, self.started)
        self.assertEqual("other", self.calls.run("other key", lambda: "other", Deadline.after(TIMEOUT_S)))

    def test_the_number_of_threads_is_limited(self) -> None:
        """Beyond the limit, callers are refused at once, until a call ends."""
        for key in ("first", "second"):
            self.assertRaises(TimeoutError, self.calls.run, key, self.hang, Deadline.after(0.01))
        self.assertRaises(TimeoutError, self.calls.run, "third", self.hang, Deadline.after(TIMEOUT_S))
        self.go.set()
        self.assertEqual("result", self.calls.run("first", self.hang, Deadline.after(TIMEOUT_S)))

    def test_errors_pass(self) -> None:
        """The exception of the function is raised to the caller."""
        self.assertRaises(ZeroDivisionError, self.calls.run, "key", lambda: str(1 // 0), Deadline.after(TIMEOUT_S))

    def test_a_file_system_that_hangs(self) -> None:
        """A read that hangs ends at the deadline with DeadlineExceeded, and reads of other files go on."""
        release = threading.Event()
        self.addCleanup(release.set)
        read = certificate_files.os.stat

        def stat(path: object, *args: object, **kwargs: object) -> os.stat_result:
            if str(path).startswith("/hangs"):
                release.wait(TIMEOUT_S)
            return read(path, *args, **kwargs)  # type: ignore[arg-type,call-overload]

        self.patch(certificate_files.os, "stat", stat)
        self.assertRaises(DeadlineExceeded, tls_context, TLSOptions(ca_file="/hangs/ca.pem"), Deadline.after(0.05))
        self.assertRaises(InvalidInput, tls_context, TLSOptions(ca_file="/absent/ca.pem"), Deadline.after(TIMEOUT_S))
