"""Choice of the authentication middleware for ``[DEFAULT] auth_strategy``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from baremetal_sdk.auth.basic import BasicAuth
from baremetal_sdk.auth.certificates import CertificateAuth
from baremetal_sdk.auth.htpasswd import UserFile
from baremetal_sdk.auth.keystone import KeystoneAuth
from baremetal_sdk.auth.none import NoAuth
from baremetal_sdk.auth.passwords import PasswordChecker
from baremetal_sdk.config import APIConfig, ConductorConfig
from baremetal_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def add_authentication(app: WSGIApplication, config: ConductorConfig) -> WSGIApplication:
    """Return *app* wrapped in the middleware for ``auth_strategy``. Raises ``ConfigurationError``, which names the option."""
    if config.auth_strategy == "http_basic":
        users = UserFile(config.http_basic_auth_user_file)
        # Half of the threads may wait for password checks. The other half serves all other requests.
        return BasicAuth(app, users, passwords=PasswordChecker(users, max_waiting=config.api.max_threads // 2))
    if config.auth_strategy == "client_certificate":
        return _add_certificate_auth(app, config.api)
    if config.auth_strategy == "keystone":
        return KeystoneAuth(app, config.plugins.get("keystone_authtoken", {}))
    return NoAuth(app, allow_public=config.api.allow_noauth_on_public_interfaces)


def _add_certificate_auth(app: WSGIApplication, config: APIConfig) -> WSGIApplication:
    if not config.enable_ssl_api or config.client_certificates == "none":
        raise ConfigurationError(
            "[DEFAULT] auth_strategy: client_certificate requires TLS with client certificates; set [api] enable_ssl_api = true "
            "and [api] client_certificates to optional or required"
        )
    return CertificateAuth(app)
