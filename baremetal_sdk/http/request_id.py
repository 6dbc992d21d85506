"""The request ID: one value for the log lines, the errors and the response of a request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from baremetal_sdk.context import new_request_id

REQUEST_ID_KEY = "baremetal_sdk.request_id"
"""Key of the request ID in the WSGI environment."""
_REQUEST_ID = re.compile(r"req-[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


def get_request_id(environ: Mapping[str, Any]) -> str:
    """Return the ID of a request: the one in *environ*, or else the client's if it is well-formed, or else a new one.

    Other values of clients are ignored, so that no client can write arbitrary text into the log.
    """
    known = environ.get(REQUEST_ID_KEY)
    if isinstance(known, str):
        return known
    given = environ.get("HTTP_X_OPENSTACK_REQUEST_ID", "")
    return given if _REQUEST_ID.fullmatch(given) else new_request_id()
