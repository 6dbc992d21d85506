"""Log lines about failed work in the background, which has no caller to raise its error to."""

from __future__ import annotations

import logging

from baremetal_sdk.errors import StoreUnavailable


def log_failure(logger: logging.Logger, error: BaseException, message: str, *arguments: object) -> None:
    """Log that work has failed with *error*: *message* with its *arguments*, and the traceback.

    A store that is away is no fault of the work, and it fails much work at once. It is a warning in one line.
    """
    if isinstance(error, StoreUnavailable):
        logger.warning(f"{message}: %s", *arguments, error)
    else:
        logger.error(message, *arguments, exc_info=error)
