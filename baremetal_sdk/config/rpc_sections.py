"""Section of the JSON-RPC transport: ``[json_rpc]``."""

from __future__ import annotations

import dataclasses

from baremetal_sdk.config.setting import setting


@dataclasses.dataclass(frozen=True)
class JSONRPCConfig:
    """``[json_rpc]``: calls from the API to conductors with ``rpc_transport = json-rpc``."""

    host_ip: str = setting(
        "127.0.0.1",
        "Address on which a conductor listens for calls, or several addresses separated by commas.",
        change_when="API and conductors run on different machines. Set auth_strategy or client_certificates first",
    )
    port: int = setting(
        8089,
        "TCP port on which all conductors listen for calls. 0 selects a free port, which callers in other processes cannot know.",
        minimum=0,
        maximum=65535,
        change_when="another service uses the port. Set the same value in all processes",
    )
    use_ssl: bool = setting(
        False,
        "Use HTTPS for calls. A conductor then needs cert_file and key_file. Set the same value in all processes.",
        change_when="calls leave the machine",
    )
    cert_file: str | None = setting(
        None,
        "PEM file with the certificate chain of the conductor, for use_ssl.",
        change_when="use_ssl is true",
    )
    key_file: str | None = setting(
        None,
        "PEM file with the private key of the conductor, for use_ssl.",
        change_when="use_ssl is true",
    )
    client_certificates: str = setting(
        "none",
        "Certificates of callers, for use_ssl. none: the conductor requests no certificate. optional: it verifies the "
        "certificate of a caller that sends one. required: it rejects callers without a certificate from client_ca_file.",
        choices=("none", "optional", "required"),
        change_when="callers authenticate with certificates",
    )
    client_ca_file: str | None = setting(
        None,
        "PEM file with the certificate authorities of the callers' certificates.",
        change_when="client_certificates is optional or required",
    )
    ca_file: str | None = setting(
        None,
        "PEM file with the certificate authorities that callers trust. Empty: the authorities of the system.",
        change_when="your own certificate authority issues the conductors' certificates",
    )
    client_cert_file: str | None = setting(
        None,
        "PEM file with the certificate that a caller sends.",
        change_when="conductors request certificates (client_certificates)",
    )
    client_key_file: str | None = setting(
        None,
        "PEM file with the private key of client_cert_file.",
        change_when="client_cert_file is set",
    )
    auth_strategy: str | None = setting(
        None,
        "Authentication of callers. noauth: none. http_basic: a name and a password. keystone: a token of Keystone. Empty: as in "
        "[DEFAULT] auth_strategy, where client_certificate needs client_certificates = required here.",
        choices=("noauth", "http_basic", "keystone"),
        change_when="callers authenticate in another way than the users of the API",
    )
    http_basic_auth_user_file: str = setting(
        "/etc/ironic/htpasswd-json-rpc",
        "File with one line user:bcrypt-hash for each caller. A conductor reads it with auth_strategy = http_basic.",
        change_when="the file is in another place",
    )
    username: str | None = setting(
        None,
        "User name that callers send, for auth_strategy = http_basic.",
        change_when="auth_strategy is http_basic",
    )
    password: str | None = setting(
        None,
        "Password that callers send, for auth_strategy = http_basic.",
        secret=True,
        change_when="auth_strategy is http_basic",
    )
    allowed_roles: tuple[str, ...] = setting(
        ("admin", "service"),
        "Roles that may call conductors, for auth_strategy = keystone. A caller needs one of them, in the whole system or in the "
        "project of [keystone_authtoken]. A caller with such a role controls all machines.",
        change_when="your services have a different role",
    )
    auth_section: str = setting(
        "keystone_authtoken",
        "Name of the section with the keystoneauth options for the callers' login, for auth_strategy = keystone.",
        change_when="callers and conductors log in as different users",
    )
    allow_noauth_on_public_interfaces: bool = setting(
        False,
        "Allow a conductor to listen on addresses other than loopback although callers do not authenticate. Every client that "
        "reaches the port then controls all machines.",
        change_when="another protection, such as a closed network, keeps other clients from the port",
    )
    max_threads: int = setting(
        64,
        "Maximum number of calls that a conductor executes at the same time.",
        minimum=1,
        change_when="calls wait although the conductor's machine is idle",
    )
    call_queue_size: int = setting(
        256,
        "Maximum number of calls that wait for a thread. A conductor rejects further calls as busy.",
        minimum=0,
        change_when="conductors reject short bursts of calls as busy",
    )
    idle_timeout: float = setting(
        120.0,
        "Time after which a conductor closes a connection without a call, in seconds. Callers do not reuse a "
        "connection after half of this time.",
        minimum=1,
        change_when="a firewall or load balancer between both sides drops idle connections sooner",
    )
