"""An agent of the kind that runs on a machine: an API server, a pool and a heartbeat. No conductor, and no store."""

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
    "commands": LaneLimits(cap=1, queue=0),  # one at a time, and no more is promised
    "heartbeat": LaneLimits(reserved=1, cap=1, queue=1),  # whatever the commands do
}


class Agent(APIServerMixin):
    """Takes commands over HTTP, and tells *manager* (a URL) where it is, every *interval* seconds."""

    def __init__(self, manager: str, interval: float = 10.0) -> None:
        self.manager = urlsplit(manager)
        self.pool = ElasticPool(4, LANES, name="agent")
        self.heartbeat = Periodic(self.tell, interval, timer=self.pool.timer, executor=self.pool["heartbeat"], name="heartbeat")
        self.wiped = 0

    def api_application(self) -> Any:
        """What is served: a WSGI application."""
        return self.answer

    def api_config(self) -> APIConfig:
        """Where it is served: on a free port of loopback."""
        return APIConfig(port=0)

    def start(self) -> None:
        """Serve, and tell that it does."""
        self.start_api()
        self.heartbeat.start(spread=0.0)

    def stop(self) -> None:
        """Refuse requests, then let a command come to its end; in ten seconds, whatever it does."""
        self.stop_api(timeout=5.0)
        self.heartbeat.stop()
        self.pool.close(timeout=5.0)

    def answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """``POST /wipe`` begins, or is refused while a wipe runs; everything else says how far it is."""
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
        """A command that takes long, and ends early when the agent stops."""
        for _ in range(1_000_000):
            if should_stop():
                return
            self.wiped += 1

    def tell(self) -> None:
        """The heartbeat. Where the manager does not answer, the pool tries later, and less often each time."""
        connection = http.client.HTTPConnection(self.manager.hostname or "", self.manager.port, timeout=5.0)
        try:
            connection.request("POST", "/heartbeat", json.dumps({"callback_url": self.api_url}))
            connection.getresponse().read()
        finally:
            connection.close()


def main(manager: str) -> None:
    """Run until SIGTERM or SIGINT."""
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # before there are threads, which take this over
    agent = Agent(manager)
    agent.start()
    print("ready:", agent.api_url, flush=True)
    signal.sigwait(signals)
    agent.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
