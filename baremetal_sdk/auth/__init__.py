"""Authentication in front of any WSGI application: it says who asks. What they may is the application's to say."""

from baremetal_sdk.auth.basic import BasicAuth
from baremetal_sdk.auth.certificates import CertificateAuth
from baremetal_sdk.auth.identity import IDENTITY_KEY, Identity
from baremetal_sdk.auth.none import NoAuth
from baremetal_sdk.auth.roles_file import RolesFile, RolesMiddleware
from baremetal_sdk.auth.strategy import add_authentication
from baremetal_sdk.auth.tokens import TokenAuth, Tokens

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
