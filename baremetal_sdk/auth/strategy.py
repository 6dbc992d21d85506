"""From ``[DEFAULT] auth_strategy`` to the middleware."""

from __future__ import annotations

from typing import TYPE_CHECKING

from baremetal_sdk.auth.basic import BasicAuth
from baremetal_sdk.auth.htpasswd import UserFile
from baremetal_sdk.auth.keystone import KeystoneAuth
from baremetal_sdk.auth.none import NoAuth
from baremetal_sdk.config import ConductorConfig

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def authenticated(app: WSGIApplication, config: ConductorConfig) -> WSGIApplication:
    """*app* behind the authentication that *config* names. Raises ``ConfigurationError``, which names the option."""
    if config.auth_strategy == "http_basic":
        return BasicAuth(app, UserFile(config.http_basic_auth_user_file))
    if config.auth_strategy == "keystone":
        return KeystoneAuth(app, config.plugins.get("keystone_authtoken", {}))
    return NoAuth(app, anywhere=config.api.noauth_beyond_loopback)
