"""A service of OpenStack's kind: its own oslo.config and oslo.log, launched by oslo.service on threads."""

from __future__ import annotations

import sys

sys.modules["eventlet"] = None  # type: ignore[assignment]  # oslo's libraries import it where it is installed: not here

from oslo_service.backend import BackendType, init_backend

init_backend(BackendType.THREADING)  # before anything else of oslo.service, which would choose Eventlet

import socket

from oslo_config import cfg
from oslo_log import log as logging

from baremetal_sdk import APIServer, Conductor, ConductorConfig, bare_metal_api
from baremetal_sdk.service import launch
from baremetal_interfaces import BareMetalError

LOG = logging.getLogger("ours")
OPTIONS = [cfg.StrOpt("region", default="here", help="Where this service is.")]


def read(conf: cfg.ConfigOpts) -> ConductorConfig:
    """The runtime's part of our configuration files."""
    return ConductorConfig.load(*conf.config_file)


def make(conf: cfg.ConfigOpts, config: ConductorConfig, listener: socket.socket) -> Conductor:
    """A conductor with the Bare Metal API on the socket that outlives this process; called in each child."""
    LOG.info("a conductor for %s", conf.ours.region)
    conductor = Conductor(config)
    conductor.add(APIServer(bare_metal_api(conductor), config.api, listener))
    return conductor


def main(arguments: list[str]) -> None:
    """Serve until SIGTERM; SIGHUP reads the configuration again."""
    conf = cfg.ConfigOpts()
    conf.register_opts(OPTIONS, group="ours")
    logging.register_options(conf)
    conf(arguments, project="ours")
    logging.setup(conf, "ours")
    try:
        launch(
            conf,
            read=lambda: read(conf),
            make=lambda config, listener: make(conf, config, listener),
            ready=lambda conductor: print("ready on port", conductor.config.api.port, flush=True),
        )
    except BareMetalError as exc:
        sys.exit(f"ours: {exc}")


if __name__ == "__main__":
    main(sys.argv[1:])
