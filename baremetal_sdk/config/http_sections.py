"""Sections of the HTTP servers: ``[api]``, ``[metrics]``, ``[healthcheck]``."""

from __future__ import annotations

import dataclasses

from baremetal_sdk.config.setting import setting


@dataclasses.dataclass(frozen=True)
class APIConfig:
    """``[api]``: the HTTP server."""

    host_ip: str = setting("127.0.0.1", "Address to listen on, or several with commas between them.")
    port: int = setting(6385, "TCP port to listen on; 0 takes a free one.", minimum=0, maximum=65535)
    reuse_port: bool = setting(False, "Whether others may listen on the port as well; what waits is lost when one of them stops.")
    unix_socket: str | None = setting(None, "Path of a unix socket to listen on, in place of an address.")
    unix_socket_mode: str = setting("0660", "File mode of the unix socket, in octal digits.")
    unix_socket_owner: str | None = setting(None, "Owner of the unix socket: user, user:group or :group.")
    systemd_socket: str | None = setting(
        None, "Name (FileDescriptorName=) of the sockets of systemd to listen on, in place of an address; all: all of them."
    )
    allow_noauth_on_public_interfaces: bool = setting(False, "Whether to listen on any address although auth_strategy is noauth.")
    enable_ssl_api: bool = setting(False, "Whether to serve HTTPS, with cert_file and key_file.")
    cert_file: str | None = setting(None, "PEM file with the certificate chain of the server.")
    key_file: str | None = setting(None, "PEM file with the private key of the server.")
    tls_min_version: str = setting("1.2", "Oldest version of TLS to speak.", choices=("1.2", "1.3"))
    tls_ciphers: str | None = setting(None, "Ciphers of TLS 1.2, as OpenSSL writes them; by default Python's choice.")
    client_certificates: str = setting(
        "none", "Whether clients show a certificate of an authority in client_ca_file.", choices=("none", "optional", "required")
    )
    client_ca_file: str | None = setting(None, "PEM file with the authorities of the clients' certificates.")
    roles_file: str | None = setting(
        None, "File with a line user: role [project] for each user, without Keystone; without a file all of them are admins."
    )
    max_limit: int = setting(1000, "Records in one page of a listing, at most.", minimum=1)
    public_endpoint: str | None = setting(None, "URL that links start with, in place of the Host header of the request.")
    enable_proxy_headers_parsing: bool = setting(False, "Whether to believe X-Forwarded-* of trusted_proxies.")
    trusted_proxies: tuple[str, ...] = setting(
        ("127.0.0.1", "::1"), "Addresses and networks of proxies whose headers are believed; unix: whoever uses the unix socket."
    )
    request_log: str = setting(
        "", "Line for each request at level INFO: common, combined, json, or a format of your own; empty: none."
    )
    min_threads: int = setting(
        4, "Threads that serve requests, at least; requests that soon end are served by no more of them at a time.", minimum=1
    )
    max_threads: int = setting(32, "Threads that serve requests, at most.", minimum=1)
    request_queue_size: int = setting(1024, "Requests that wait for a thread, at most; beyond them the answer is 503.", minimum=0)
    max_connections: int = setting(4096, "Connections, at most; beyond them a silent one makes room.", minimum=16)
    max_connections_per_peer: int = setting(0, "Connections from one address, at most; 0: as many as there are.", minimum=0)
    max_request_body_size: int = setting(4 * 1024 * 1024, "Bytes in the body of a request, at most.", minimum=1024)
    request_timeout: float = setting(60.0, "Seconds that a connection may be silent between requests.", minimum=0.1)
    handshake_timeout: float = setting(10.0, "Seconds for the whole of a TLS handshake.", minimum=0.1)
    header_timeout: float = setting(20.0, "Seconds for the whole of a request's headers.", minimum=0.1)
    slow_client_grace_period: float = setting(
        20.0, "Seconds in which a body or an answer may be slower than min_transfer_rate.", minimum=0.1
    )
    min_transfer_rate: float = setting(8192.0, "Bytes per second at which bodies and answers move, at least.", minimum=1)


@dataclasses.dataclass(frozen=True)
class MetricsConfig:
    """``[metrics]``: figures for Prometheus."""

    endpoint: str = setting(
        "api",
        "Where /metrics is served: on the API's address, to readers of the whole system; on an address of its own, to everybody; "
        "or nowhere.",
        choices=("api", "separate", "none"),
    )
    host_ip: str = setting("127.0.0.1", "Address to listen on with endpoint = separate, or several with commas between them.")
    port: int = setting(9635, "TCP port to listen on with endpoint = separate.", minimum=0, maximum=65535)


@dataclasses.dataclass(frozen=True)
class HealthcheckConfig:
    """``[healthcheck]``: the path that Ironic's load balancers look at."""

    enabled: bool = setting(False, "Whether /healthcheck is served, beside /healthz and /readyz.")
