"""Authentication middleware for any WSGI application. It identifies callers. The application decides what they may do."""

from typing import TYPE_CHECKING

from baremetal_sdk.exports import lazy_exports

if TYPE_CHECKING:
    from baremetal_sdk.auth.basic import BasicAuth
    from baremetal_sdk.auth.certificates import CertificateAuth
    from baremetal_sdk.auth.identity import IDENTITY_KEY, Identity
    from baremetal_sdk.auth.none import NoAuth
    from baremetal_sdk.auth.roles_file import RolesFile, RolesMiddleware
    from baremetal_sdk.auth.strategy import add_authentication
    from baremetal_sdk.auth.tokens import TokenAuth, Tokens
else:
    __getattr__ = lazy_exports(
        __name__,
        {
            "basic": ("BasicAuth",),
            "certificates": ("CertificateAuth",),
            "identity": ("IDENTITY_KEY", "Identity"),
            "none": ("NoAuth",),
            "roles_file": ("RolesFile", "RolesMiddleware"),
            "strategy": ("add_authentication",),
            "tokens": ("TokenAuth", "Tokens"),
        },
    )

__all__ = [
    "IDENTITY_KEY",
    "BasicAuth",
    "CertificateAuth",
    "Identity",
    "NoAuth",
    "RolesFile",
    "RolesMiddleware",
    "TokenAuth",
    "Tokens",
    "add_authentication",
]
