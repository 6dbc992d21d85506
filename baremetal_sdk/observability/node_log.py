"""Logger for messages about one node, and removal of error texts from tracebacks."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any

from baremetal_sdk.logs import get_logger

LOG = get_logger("baremetal_sdk.node")


class NodeLog(logging.LoggerAdapter[logging.Logger]):
    """Logger for one node. ``extra["node"]`` is the UUID, which starts each message and is the record's attribute ``node``."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Add the node to the message and to the record."""
        assert self.extra is not None
        kwargs["extra"] = {**kwargs.get("extra", {}), "node": self.extra["node"]}
        return f"node {self.extra['node']}: {msg}", kwargs


def hide_error_text(exc: BaseException) -> tuple[type[BaseException], BaseException, TracebackType | None]:
    """Return ``exc_info`` with the traceback of *exc* but without its message, which may contain a secret."""
    return (type(exc), RuntimeError("(see the node's last_error)"), exc.__traceback__)
