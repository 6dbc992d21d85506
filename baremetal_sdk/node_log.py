"""What the log says of work on a node."""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Any


class NodeLog(logging.LoggerAdapter[logging.Logger]):
    """Lines that name the node."""

    def process(self, msg: Any, kwargs: Any) -> tuple[Any, Any]:
        """Put the node in front."""
        assert self.extra is not None
        return f"node {self.extra['node']}: {msg}", kwargs


def traceback_only(exc: BaseException) -> tuple[type[BaseException], BaseException, TracebackType | None]:
    """The place of an error without its text, which may hold a secret."""
    return (type(exc), RuntimeError("(see the node's last_error)"), exc.__traceback__)
