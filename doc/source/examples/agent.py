"""An agent on a machine: an API server, a pool and a heartbeat, without a conductor and without a store."""

from __future__ import annotations

import http.client
import json
import signal
import sys
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from baremetal_sdk import APIServerMixin
from baremetal_sdk.concurrency.periodic import Periodic
from baremetal_sdk.concurrency.pool import ElasticPool, LaneLimits, should_stop
from baremetal_sdk.config import APIConfig
from baremetal_sdk.errors import NoFreeWorker

LANES = {
    "commands": LaneLimits(cap=1, queue=0),  # one command at a time; others are rejected
    "heartbeat": LaneLimits(reserved=1, cap=1, queue=1),  # independent of the commands
}


class Agent(APIServerMixin):
    """Accepts commands over HTTP and sends a heartbeat to *manager* (a URL) every *interval* seconds."""

    def __init__(self, manager: str, interval: float = 10.0) -> None:
        self.manager = urlsplit(manager)
        self.pool = ElasticPool(4, LANES, name="agent")
        self.heartbeat = Periodic(
            self.send_heartbeat, interval, timer=self.pool.timer, executor=self.pool["heartbeat"], name="heartbeat"
        )
        self.wiped = 0

    def api_application(self) -> Any:
        """Return the WSGI application to serve."""
        return self.answer

    def api_config(self) -> APIConfig:
        """Return the address to serve on: a free port of loopback."""
        return APIConfig(port=0)

    def start(self) -> None:
        """Start the server and the heartbeat."""
        self.start_api()
        self.heartbeat.start(spread=0.0)

    def stop(self) -> None:
        """Reject new requests, then wait for a running command. Return within ten seconds."""
        self.stop_api(timeout=5.0)
        self.heartbeat.stop()
        self.pool.close(timeout=5.0)

    def answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Start a wipe for ``POST /wipe`` unless one is running. Return the progress for other requests."""
        status, body = "200 OK", {"wiped": self.wiped}
        if environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"] == "/wipe":
            try:
                self.pool["commands"].submit(self.wipe)
                status = "202 Accepted"
            except NoFreeWorker as exc:
                status, body = "503 Service Unavailable", {"error": str(exc)}
        start_response(status, [("Content-Type", "application/json")])
        return [json.dumps(body).encode()]

    def wipe(self) -> None:
        """Run a long command that ends early when the agent stops."""
        for _ in range(1_000_000):
            if should_stop():
                return
            self.wiped += 1

    def send_heartbeat(self) -> None:
        """Send the heartbeat. If the manager does not answer, the interval to the next one grows."""
        connection = http.client.HTTPConnection(self.manager.hostname or "", self.manager.port, timeout=5.0)
        try:
            connection.request("POST", "/heartbeat", json.dumps({"callback_url": self.api_url}))
            connection.getresponse().read()
        finally:
            connection.close()


def main(manager: str) -> None:
    """Run until SIGTERM or SIGINT."""
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # before the threads start, because they inherit the mask
    agent = Agent(manager)
    agent.start()
    print("ready:", agent.api_url, flush=True)
    signal.sigwait(signals)
    agent.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
