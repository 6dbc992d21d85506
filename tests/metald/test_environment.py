"""Commands of metald in unusual environments: they end with one line of text and never with a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography.fernet import Fernet
from fixtures import TempDir
from testtools import TestCase

from metald.state_directory import StateError, default_directory
from tests.fixtures.metald_service import metald

PRINTING = (("--help",), ("sample-config",), ("db", "check"))
"""Commands that print something."""


class EnvironmentCase(TestCase):
    """Test case with a configuration file that names the database and the key."""

    def setUp(self) -> None:
        super().setUp()
        self.directory = Path(self.useFixture(TempDir()).path)
        self.config = self.directory / "metald.conf"
        self.database = self.directory / "nodes.sqlite"
        text = f"[database]\nconnection = sqlite:///{self.database}\nsecret_key_file = {self.directory / 'key'}\n"
        self.config.write_text(text, encoding="utf-8")

    def run_in_shell(
        self, command: Sequence[str], redirection: str, *, extra: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of metald with a redirection of the shell, in the test's directory."""
        script = f'exec "$@" {redirection}'
        arguments = ["sh", "-c", script, "sh", sys.executable, "-m", "metald", *command]
        environment = {**os.environ, "XDG_STATE_HOME": str(self.directory / "home"), **(extra or {})}
        return subprocess.run(arguments, capture_output=True, text=True, timeout=60, env=environment, check=False)

    def with_config(self, *command: str) -> list[str]:
        """Return *command* with the configuration file, if it takes one."""
        takes_none = command[0] in ("--help", "sample-config")
        return [*command] if takes_none else [*command, "--config-file", str(self.config)]

    def assert_one_line(self, done: subprocess.CompletedProcess[str], pattern: str) -> None:
        """The command failed, and the last line of standard error matches *pattern*. There is no traceback."""
        self.assertNotEqual(0, done.returncode)
        self.assertNotIn("Traceback", done.stderr)
        self.assertNotIn("Exception ignored", done.stderr)
        self.assertRegex(done.stderr.splitlines()[-1], f"^metald: .*{pattern}")


class OutputTest(EnvironmentCase):
    def test_full_or_closed_output_is_an_error(self) -> None:
        """No command reports success if it could not print its result, with and without a buffer."""
        for command in PRINTING:
            for redirection, reason in ((">/dev/full", "No space left"), (">&-", "Bad file descriptor")):
                buffering = {"PYTHONUNBUFFERED": "1" if redirection == ">&-" else ""}
                done = self.run_in_shell(self.with_config(*command), redirection, extra=buffering)
                self.assert_one_line(done, f"cannot write to standard output: {reason}")

    def test_token_that_cannot_be_printed_is_revoked(self) -> None:
        """No valid token remains that its user has not seen."""
        self.assertEqual(0, metald("db", "upgrade", "--config-file", str(self.config)).returncode)
        done = self.run_in_shell(self.with_config("token", "create", "ci", "--role", "reader"), ">/dev/full")
        self.assert_one_line(done, "cannot write to standard output")
        self.assertEqual("", metald("token", "list", "--config-file", str(self.config)).stdout)

    def test_closed_standard_error_never_becomes_the_database(self) -> None:
        """With closed standard streams, no library can write a message into a file that has their descriptor."""
        code = (
            "import os; from metald.standard_streams import prepare_streams; prepare_streams(); os.write(2, b'!'); "
            "raise SystemExit(open('/dev/null').fileno() < 3)"
        )
        done = subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", code], timeout=60, check=False)
        self.assertEqual(0, done.returncode)

    def test_characters_outside_of_the_locale_are_escaped(self) -> None:
        """A locale without UTF-8 changes the text, and does not end the command."""
        code = "from metald.standard_streams import prepare_streams; prepare_streams(); print('\\u2603')"
        environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, env=environment, check=False)
        self.assertEqual(b"\\u2603\n", done.stdout)


class HomeTest(EnvironmentCase):
    def test_default_needs_an_absolute_home(self) -> None:
        """An empty or relative HOME is ignored; the account of the user then has the home directory."""
        self.assertEqual(Path("/h/.local/state/metald"), default_directory({"HOME": "/h"}))
        for wrong in ({}, {"HOME": ""}, {"HOME": "relative"}):
            self.assertTrue(default_directory(wrong).is_absolute())

    def test_user_without_an_account_and_home_gets_one_line(self) -> None:
        """The error names the option. Commands whose files are all named need no home."""
        code = (
            "import os, pwd, sys\n"
            "def unknown(uid): raise KeyError(uid)\n"
            "pwd.getpwuid = unknown\n"
            "os.environ.pop('HOME', None); os.environ.pop('XDG_STATE_HOME', None)\n"
            "from metald.cli import main\n"
            "sys.exit(main(sys.argv[1:]))\n"
        )

        def run(*command: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, timeout=60, check=False)

        for command in (("serve", "--port", "0"), ("token", "list")):
            self.assert_one_line(run(*command), "--state-dir")
        self.assertIn("--state-dir", run("doctor").stdout)
        for command in (("db", "upgrade"), ("token", "list"), ("db", "check")):
            (self.directory / "key").write_bytes(Fernet.generate_key())
            done = run(*command, "--config-file", str(self.config))
            self.assertNotIn("HOME", done.stdout + done.stderr)
            self.assertEqual(0, done.returncode, done.stderr)

    def test_error_without_a_home_is_a_state_error(self) -> None:
        """The library function raises the error that the commands print."""
        with self.assertRaisesRegex(StateError, "set HOME"):
            self._with_unknown_account()

    def _with_unknown_account(self) -> None:
        import pwd

        def unknown(uid: int) -> pwd.struct_passwd:
            raise KeyError(uid)

        original = pwd.getpwuid
        pwd.getpwuid = unknown
        try:
            default_directory({})
        finally:
            pwd.getpwuid = original


class ModeTest(EnvironmentCase):
    def test_files_are_private_with_any_umask(self) -> None:
        """A database that a command creates is readable by its owner only."""
        done = subprocess.run(
            ["sh", "-c", 'umask 000; exec "$@"', "sh", sys.executable, "-m", "metald", *self.with_config("db", "upgrade")],
            capture_output=True,
            timeout=60,
            check=False,
        )
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual(0o600, self.database.stat().st_mode & 0o777)
