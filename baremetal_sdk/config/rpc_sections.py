"""Section of the JSON-RPC transport: ``[json_rpc]``."""

from __future__ import annotations

import dataclasses

from baremetal_sdk.config.setting import setting


@dataclasses.dataclass(frozen=True)
class JSONRPCConfig:
    """``[json_rpc]``: how calls of the API reach conductors with rpc_transport json-rpc."""

    host_ip: str = setting("127.0.0.1", "Address that the conductor listens on, or several with commas between them.")
    port: int = setting(8089, "TCP port of all conductors; with 0 no other process knows which.", minimum=0, maximum=65535)
    use_ssl: bool = setting(False, "Whether both sides speak HTTPS.")
    cert_file: str | None = setting(None, "PEM file with the certificate chain of the conductor; change it with use_ssl.")
    key_file: str | None = setting(None, "PEM file with the private key of the conductor.")
    client_certificates: str = setting(
        "none", "Whether callers show a certificate of an authority in client_ca_file.", choices=("none", "optional", "required")
    )
    client_ca_file: str | None = setting(None, "PEM file with the authorities of the callers' certificates.")
    ca_file: str | None = setting(None, "PEM file with the authorities that callers trust; by default the system's.")
    client_cert_file: str | None = setting(None, "PEM file with the certificate that a caller shows.")
    client_key_file: str | None = setting(None, "PEM file with the key of client_cert_file.")
    auth_strategy: str = setting("noauth", "How callers are known.", choices=("noauth", "http_basic", "keystone"))
    http_basic_auth_user_file: str = setting(
        "/etc/ironic/htpasswd-json-rpc", "File with a line user:bcrypt-hash for each caller, for auth_strategy http_basic."
    )
    username: str | None = setting(None, "Name that a caller gives, for auth_strategy http_basic.")
    password: str | None = setting(None, "Password that a caller gives.", secret=True)
    allowed_roles: tuple[str, ...] = setting(
        ("admin", "service"),
        "One of these a caller has, for auth_strategy keystone: in the whole system or in the project of [keystone_authtoken].",
    )
    auth_section: str = setting(
        "keystone_authtoken", "Section with the options of keystoneauth by which callers log in, for auth_strategy keystone."
    )
    allow_noauth_on_public_interfaces: bool = setting(
        False, "Whether to listen on any address although nobody is asked for a name."
    )
    max_threads: int = setting(64, "Calls that a conductor answers at a time.", minimum=1)
    call_queue_size: int = setting(256, "Calls that wait for that, at most; beyond them the answer is busy.", minimum=0)
    idle_timeout: float = setting(120.0, "Seconds for which a connection is kept between two calls.", minimum=1)
