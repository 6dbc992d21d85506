"""Authentication in front of any WSGI application: it says who asks. What they may is the application's to say."""

from baremetal_sdk.auth.basic import BasicAuth
from baremetal_sdk.auth.certificates import CertificateAuth
from baremetal_sdk.auth.identity import IDENTITY_KEY, Identity
from baremetal_sdk.auth.none import NoAuth
from baremetal_sdk.auth.roles_file import Granted, RolesFile
from baremetal_sdk.auth.strategy import authenticated
from baremetal_sdk.auth.tokens import TokenAuth, Tokens

__all__ = [
    "IDENTITY_KEY",
    "BasicAuth",
    "CertificateAuth",
    "Granted",
    "Identity",
    "NoAuth",
    "RolesFile",
    "TokenAuth",
    "Tokens",
    "authenticated",
]
