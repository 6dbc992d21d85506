"""A WSGI application on the HTTP server of the runtime, without a conductor."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from baremetal_interfaces import Deadline
from baremetal_sdk.auth import IDENTITY_KEY, BasicAuth
from baremetal_sdk.auth.htpasswd import UserFile
from baremetal_sdk.config import APIConfig
from baremetal_sdk.http import HTTPServer


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Greet the authenticated user."""
    content = f"hello {environ[IDENTITY_KEY].user}\n".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(content)))])
    return [content]


def main(users: Path) -> None:
    """Serve until SIGTERM or SIGINT."""
    server = HTTPServer(BasicAuth(application, UserFile(users), public=()), APIConfig(port=0, max_threads=8))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    server.start()
    print("ready:", server.url, flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    server.stop(Deadline.after(10))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
