"""An OpenStack service with its own oslo.config and oslo.log, started by oslo.service on threads."""

from __future__ import annotations

import sys

sys.modules["eventlet"] = None  # type: ignore[assignment]  # keeps oslo's libraries from importing it

from oslo_service.backend import BackendType, init_backend

init_backend(BackendType.THREADING)  # before other imports of oslo.service, which would select Eventlet

from oslo_config import cfg
from oslo_log import log as logging

from baremetal_interfaces import BareMetalError
from baremetal_sdk import APIServer, Conductor, ConductorConfig, bare_metal_api
from baremetal_sdk.conductor.oslo_launcher import launch
from baremetal_sdk.http import Listeners

LOG = logging.getLogger("ours")
OPTIONS = [cfg.StrOpt("region", default="here", help="Region of this service.")]


class Ours:
    """The service. The parent process creates it once, and each child has a copy."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.conf = conf

    def read(self) -> ConductorConfig:
        """Read the options of the runtime, in the parent and in each child."""
        return ConductorConfig.load(*self.conf.config_file)

    def make(self, config: ConductorConfig, listener: Listeners) -> Conductor:
        """Return a conductor with the Bare Metal API on the parent's socket. Runs in each child."""
        LOG.info("a conductor for %s", self.conf.ours.region)
        conductor = Conductor(config)
        self.server = APIServer(bare_metal_api(conductor), config.api, listener)
        conductor.add(self.server)
        return conductor

    def ready(self, conductor: Conductor) -> None:
        """Report that clients can connect."""
        print("ready:", self.server.url, flush=True)


def main(arguments: list[str]) -> None:
    """Serve until SIGTERM. On SIGHUP, a new child takes over with the current configuration files."""
    conf = cfg.ConfigOpts()
    conf.register_opts(OPTIONS, group="ours")
    logging.register_options(conf)
    conf(arguments, project="ours")
    logging.setup(conf, "ours")
    ours = Ours(conf)
    try:
        launch(conf, ours.read, ours.make, ours.ready)
    except BareMetalError as exc:
        sys.exit(f"ours: {exc}")


if __name__ == "__main__":
    main(sys.argv[1:])
