"""The documentation's example of a server for a WSGI application."""

from __future__ import annotations

import base64
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from fixtures import TempDir
from testtools import TestCase

from tests.fixtures.callers import write_users
from tests.sources import ROOT

PAGE = ROOT / "doc" / "source" / "examples" / "wsgi.py"


class TestExample(TestCase):
    def test_the_example_serves_known_users_until_sigterm(self) -> None:
        """The example runs as it is printed in the documentation."""
        users = write_users(Path(self.useFixture(TempDir()).path) / "users", alice="wonderland")
        with subprocess.Popen([sys.executable, str(PAGE), str(users)], stdout=subprocess.PIPE, text=True) as process:
            self.addCleanup(process.kill)
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            request = urllib.request.Request(url)
            error = self.assertRaises(urllib.error.HTTPError, urllib.request.urlopen, request, timeout=10)
            self.assertEqual(401, error.code)
            request.add_header("Authorization", "Basic " + base64.b64encode(b"alice:wonderland").decode())
            with urllib.request.urlopen(request, timeout=10) as answer:
                self.assertEqual(b"hello alice\n", answer.read())
            process.send_signal(signal.SIGTERM)
            self.assertEqual(0, process.wait(20))
