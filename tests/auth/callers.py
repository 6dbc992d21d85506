"""Applications behind authentication, and those who call them."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import bcrypt
from webob import Request, Response

from baremetal_sdk.auth import IDENTITY_KEY, Identity

COST = 4


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Tells who was let in."""
    who: Identity | None = environ.get(IDENTITY_KEY)
    text = "nobody" if who is None else f"{who.user} {who.project} {sorted(who.roles)}"
    answer: Iterable[bytes] = Response(text)(environ, start_response)
    return answer


def hashed(password: str) -> str:
    """A bcrypt hash that is quick to check."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(COST)).decode()


def write_users(path: Path, **passwords: str) -> Path:
    """Write a file of users."""
    path.write_text("".join(f"{user}:{hashed(password)}\n" for user, password in passwords.items()))
    path.chmod(0o600)
    return path


def basic(user: str, password: str) -> str:
    """The Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def call(
    app: Any, path: str = "/v1/nodes", authorization: str | None = None, peer: str = "192.0.2.1", **environ: Any
) -> Response:
    """Send a request to a WSGI application."""
    request = Request.blank(path, environ={"REMOTE_ADDR": peer, **environ})
    if authorization is not None:
        request.headers["Authorization"] = authorization
    return request.get_response(app)
