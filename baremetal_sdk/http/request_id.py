"""The id of a request: one for its log lines, its errors and its answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from baremetal_sdk.context import new_request_id

REQUEST_ID_KEY = "baremetal_sdk.request_id"
"""Where the request id is kept in the WSGI environment."""
_REQUEST_ID = re.compile(r"req-[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


def request_id(environ: Mapping[str, Any]) -> str:
    """The id of a request: the one that it has, or that its sender gave where that has the form of one, else a new one."""
    known = environ.get(REQUEST_ID_KEY)
    if isinstance(known, str):
        return known
    given = environ.get("HTTP_X_OPENSTACK_REQUEST_ID", "")
    return given if _REQUEST_ID.fullmatch(given) else new_request_id()
