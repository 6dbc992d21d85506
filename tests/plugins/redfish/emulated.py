"""Shared parts of the Redfish tests: an emulator for each test class, and tasks on its systems."""

from __future__ import annotations

import http.server
import threading
from typing import Any, ClassVar, Self

from testtools import TestCase

from baremetal_interfaces import Node
from baremetal_interfaces.local import LocalTask
from baremetal_redfish.boot import RedfishVirtualMediaBoot
from baremetal_redfish.inspect import RedfishInspect
from baremetal_redfish.management import RedfishManagement
from baremetal_redfish.power import RedfishPower
from baremetal_redfish.virtual_media import InsertionLimits
from tests.fixtures.sushy_emulator import SushyEmulator

ACCOUNT = ("operator", "correct horse/battery")


def build_interfaces(insertion_seconds: float) -> dict[str, Any]:
    """Return the plugin's interfaces, with short poll intervals."""
    limits = InsertionLimits(virtual_media_timeout=insertion_seconds, virtual_media_poll_interval=0.02)
    return {
        "power": RedfishPower(),
        "management": RedfishManagement(limits),
        "boot": RedfishVirtualMediaBoot(limits),
        "inspect": RedfishInspect(),
    }


def build_task(
    address: str,
    *,
    instance_info: dict[str, Any] | None = None,
    timeout: float = 60.0,
    insertion_seconds: float = 5.0,
    **info: Any,
) -> LocalTask:
    """Return a task on the machine at *address*; *info* are further options of ``driver_info``."""
    node = Node(uuid="7d4a5b6c-0000-4000-8000-000000000001", name="m1", instance_info=instance_info or {})
    raw = {"redfish_address": address, **info}
    return LocalTask(build_interfaces(insertion_seconds), raw, node=node, timeout=timeout, poll_interval=0.05)


class EmulatorTestCase(TestCase):
    """Test case with an emulator that requires a login and changes the power state within a second."""

    systems: ClassVar[int] = 2
    features: ClassVar[str] = "full"
    emulator: ClassVar[SushyEmulator]

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.emulator = SushyEmulator(cls.systems, account=ACCOUNT, power_seconds=1, features=cls.features)
        cls.emulator.start()
        cls.addClassCleanup(cls.emulator.stop)

    def task(self, index: int = 0, **more: Any) -> LocalTask:
        """Return a task on one of the emulator's systems."""
        account = {"redfish_username": ACCOUNT[0], "redfish_password": ACCOUNT[1]}
        system = {"redfish_system_id": self.emulator.system_path(index)}
        return build_task(self.emulator.url, **{**account, **system, **more})


class ImageServer:
    """HTTP server with one small image under any name that ends in ``.iso``, and status 404 for other names."""

    def __init__(self) -> None:
        requested: list[tuple[str, str | None]] = []
        self.requested = requested

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                requested.append((self.path, self.headers.get("Authorization")))
                body = b"an image" * 128
                found = self.path.partition("?")[0].endswith(".iso")
                self.send_response(200 if found else 404)
                self.send_header("Content-Length", str(len(body) if found else 0))
                self.end_headers()
                if found:
                    self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http://{self.address}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
