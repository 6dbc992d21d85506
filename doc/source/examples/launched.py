"""A service of OpenStack's kind: its own oslo.config and oslo.log, launched by oslo.service on threads."""

from __future__ import annotations

import sys

sys.modules["eventlet"] = None  # type: ignore[assignment]  # oslo's libraries import it where it is installed: not here

from oslo_service.backend import BackendType, init_backend

init_backend(BackendType.THREADING)  # before anything else of oslo.service, which would choose Eventlet

from oslo_config import cfg
from oslo_log import log as logging

from baremetal_interfaces import BareMetalError
from baremetal_sdk import APIServer, Conductor, ConductorConfig, bare_metal_api
from baremetal_sdk.conductor.oslo_launcher import launch
from baremetal_sdk.http import Listeners

LOG = logging.getLogger("ours")
OPTIONS = [cfg.StrOpt("region", default="here", help="Where this service is.")]


class Ours:
    """What our service is made of. It is made once, in the parent; each child has a copy."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.conf = conf

    def read(self) -> ConductorConfig:
        """The runtime's part of our configuration files: in the parent, and in each child."""
        return ConductorConfig.load(*self.conf.config_file)

    def make(self, config: ConductorConfig, listener: Listeners) -> Conductor:
        """A conductor with the Bare Metal API on the socket that outlives this process: in each child."""
        LOG.info("a conductor for %s", self.conf.ours.region)
        conductor = Conductor(config)
        self.server = APIServer(bare_metal_api(conductor), config.api, listener)
        conductor.add(self.server)
        return conductor

    def ready(self, conductor: Conductor) -> None:
        """Say that clients can come."""
        print("ready:", self.server.url, flush=True)


def main(arguments: list[str]) -> None:
    """Serve until SIGTERM; SIGHUP has a new child take over with the configuration as it is then."""
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
