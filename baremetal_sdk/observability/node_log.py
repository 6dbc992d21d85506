"""Log lines about one node: its UUID stands in front of each, and as ``node`` on the record."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any

LOG = logging.getLogger("baremetal_sdk.node")


class NodeLog(logging.LoggerAdapter[logging.Logger]):
    """A logger for one node, which ``extra`` names."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Name the node."""
        assert self.extra is not None
        kwargs["extra"] = {**kwargs.get("extra", {}), "node": self.extra["node"]}
        return f"node {self.extra['node']}: {msg}", kwargs


def hide_error_text(exc: BaseException) -> tuple[type[BaseException], BaseException, TracebackType | None]:
    """The place of an error without its text, which may hold a secret."""
    return (type(exc), RuntimeError("(see the node's last_error)"), exc.__traceback__)
