"""Sections of the HTTP servers: ``[api]``, ``[metrics]``, ``[healthcheck]``."""

from __future__ import annotations

import dataclasses

from baremetal_sdk.config.setting import setting

_SLOW_CLIENTS = "the server closes connections of clients with slow networks, or must close slow connections sooner"


@dataclasses.dataclass(frozen=True)
class APIConfig:
    """``[api]``: the HTTP server of the API."""

    host_ip: str = setting(
        "127.0.0.1",
        "Address to listen on, or several addresses separated by commas. Ignored with unix_socket and systemd_socket.",
        change_when="clients on other machines use the API. Set [DEFAULT] auth_strategy first",
    )
    port: int = setting(
        6385,
        "TCP port to listen on. 0 selects a free port.",
        minimum=0,
        maximum=65535,
        change_when="another service uses the port",
    )
    reuse_port: bool = setting(
        False,
        "Allow other processes to listen on the same port. When one of them stops, its waiting connections are lost.",
        change_when="several processes share a port and systemd_socket is not possible",
    )
    unix_socket: str | None = setting(
        None,
        "Path of a unix socket to listen on, instead of host_ip and port.",
        change_when="a proxy on the same machine is the only client",
    )
    unix_socket_mode: str = setting(
        "0660",
        "File mode of the unix socket, as an octal number.",
        change_when="users other than the socket's owner and group must connect",
    )
    unix_socket_owner: str | None = setting(
        None,
        "Owner of the unix socket: user, user:group or :group. Empty: the user and group of the process.",
        change_when="the proxy runs as another user",
    )
    systemd_socket: str | None = setting(
        None,
        "Name (FileDescriptorName=) of the sockets from systemd to listen on, instead of host_ip and unix_socket. all selects "
        "all passed sockets.",
        change_when="a systemd socket unit opens the sockets. Clients then lose no connection during a restart",
    )
    allow_noauth_on_public_interfaces: bool = setting(
        False,
        "Allow the server to listen on addresses other than loopback with auth_strategy = noauth. Every client that reaches the "
        "port then controls all machines.",
        change_when="another protection, such as a closed network, keeps other clients from the port",
    )
    enable_ssl_api: bool = setting(
        False,
        "Serve HTTPS instead of HTTP. Needs cert_file and key_file.",
        change_when="clients on other machines use the API without a proxy that serves HTTPS",
    )
    cert_file: str | None = setting(
        None,
        "PEM file with the certificate chain of the server, for enable_ssl_api.",
        change_when="enable_ssl_api is true",
    )
    key_file: str | None = setting(
        None,
        "PEM file with the private key of the server, for enable_ssl_api.",
        change_when="enable_ssl_api is true",
    )
    tls_min_version: str = setting(
        "1.2",
        "Oldest TLS version that the server accepts.",
        choices=("1.2", "1.3"),
        change_when="all clients support TLS 1.3",
    )
    tls_ciphers: str | None = setting(
        None,
        "Ciphers for TLS 1.2, as an OpenSSL cipher list. Empty: the default of Python.",
        change_when="a security policy prescribes the ciphers",
    )
    client_certificates: str = setting(
        "none",
        "Certificates of clients, for enable_ssl_api. none: the server requests no certificate. optional: it verifies the "
        "certificate of a client that sends one. required: it rejects clients without a certificate from client_ca_file.",
        choices=("none", "optional", "required"),
        change_when="clients authenticate with certificates",
    )
    client_ca_file: str | None = setting(
        None,
        "PEM file with the certificate authorities of the clients' certificates.",
        change_when="client_certificates is optional or required",
    )
    roles_file: str | None = setting(
        None,
        "File with one line user: role [project] for each user, for deployments without Keystone. Empty: every authenticated "
        "user is an administrator.",
        change_when="some users must not be administrators",
    )
    max_limit: int = setting(
        1000,
        "Maximum number of records in one page of a list.",
        minimum=1,
        change_when="clients need larger pages, or pages use too much memory",
    )
    public_endpoint: str | None = setting(
        None,
        "URL at the start of links in responses. Empty: the URL of the request.",
        change_when="clients reach the API at another URL than the server sees, for example through a proxy",
    )
    enable_proxy_headers_parsing: bool = setting(
        False,
        "Use the X-Forwarded-* headers in requests from trusted_proxies.",
        change_when="a proxy in front of the API sets X-Forwarded-* headers",
    )
    trusted_proxies: tuple[str, ...] = setting(
        ("127.0.0.1", "::1"),
        "Addresses and networks of the proxies with trusted X-Forwarded-* headers. unix means all clients of the unix socket.",
        change_when="the proxy runs on another machine, or uses the unix socket",
    )
    request_log: str = setting(
        "",
        "Format of a log line for each request, at level INFO: common, combined, json, or a format of your own with fields such "
        "as %(path)s. Empty: no such lines.",
        change_when="you need a log of all requests",
    )
    min_threads: int = setting(
        4,
        "Minimum number of threads that serve requests, and maximum number of short requests that run at the same time.",
        minimum=1,
        change_when="a measurement shows a benefit. More threads compete for the Python interpreter and delay some requests",
    )
    max_threads: int = setting(
        32,
        "Maximum number of threads that serve requests. Each of them may use a database connection.",
        minimum=1,
        change_when="requests wait although the machine and the database are idle",
    )
    request_queue_size: int = setting(
        1024,
        "Maximum number of requests that wait for a thread. Further requests get status 503.",
        minimum=0,
        change_when="the server rejects short bursts of requests with status 503",
    )
    max_connections: int = setting(
        4096,
        "Maximum number of open connections. Beyond it, the server closes the connection that has waited for its client for the "
        "longest time. "
        "The limit of open files (RLIMIT_NOFILE) also applies.",
        minimum=16,
        change_when="you have more clients. Raise RLIMIT_NOFILE accordingly",
    )
    max_connections_per_peer: int = setting(
        0,
        "Maximum number of open connections from one address. Beyond it, the server closes an older connection of that address. "
        "0 means no limit.",
        minimum=0,
        change_when="one client uses so many connections that others suffer",
    )
    max_request_body_size: int = setting(
        4 * 1024 * 1024,
        "Maximum size of a request body, in bytes. Larger requests get status 413.",
        minimum=1024,
        change_when="requests other than config drives and inspection reports are larger",
    )
    max_provision_body_size: int = setting(
        64 * 1024 * 1024,
        "Maximum size of the body of a request that changes a provision state and may have a config drive, in bytes.",
        minimum=1024,
        change_when="your config drives are larger",
    )
    max_inspection_body_size: int = setting(
        16 * 1024 * 1024,
        "Maximum size of the body of an agent's inspection report, in bytes. rpc_max_message_size has to be larger.",
        minimum=1024,
        change_when="agents report more data, such as logs",
    )
    max_large_body_memory: int = setting(
        128 * 1024 * 1024,
        "Maximum size of all request bodies above max_request_body_size that are processed at the same time, in bytes. Each "
        "needs about four times its size in memory. Further requests wait, then get status 503.",
        minimum=1024,
        change_when="many nodes are deployed with large config drives at the same time",
    )
    request_timeout: float = setting(
        60.0,
        "Time after which the server closes a connection on which no new request begins, in seconds. It does not limit the "
        "duration of a request.",
        minimum=0.1,
        change_when="clients keep connections open for longer between two requests",
    )
    handshake_timeout: float = setting(
        10.0,
        "Time in which a client must complete the TLS handshake, in seconds.",
        minimum=0.1,
        change_when=_SLOW_CLIENTS,
    )
    header_timeout: float = setting(
        20.0,
        "Time in which a client must send all headers of a request, in seconds. After that, the request gets status 408.",
        minimum=0.1,
        change_when=_SLOW_CLIENTS,
    )
    slow_client_grace_period: float = setting(
        20.0,
        "Time during which a request body or a response may be slower than min_transfer_rate, in seconds.",
        minimum=0.1,
        change_when=_SLOW_CLIENTS,
    )
    min_transfer_rate: float = setting(
        8192.0,
        "Minimum average transfer rate of a request body or a response after slow_client_grace_period, in bytes per second. The "
        "server closes slower connections.",
        minimum=1,
        change_when=_SLOW_CLIENTS,
    )


@dataclasses.dataclass(frozen=True)
class MetricsConfig:
    """``[metrics]``: metrics for Prometheus."""

    endpoint: str = setting(
        "api",
        "Place where /metrics is served. api: at the address of the API, for readers of the whole system. separate: at host_ip "
        "and port, without authentication. none: nowhere.",
        choices=("api", "separate", "none"),
        change_when="Prometheus cannot authenticate to the API, or a conductor runs without an API",
    )
    host_ip: str = setting(
        "127.0.0.1",
        "Address to listen on with endpoint = separate, or several addresses separated by commas.",
        change_when="Prometheus runs on another machine. Protect the port with a firewall",
    )
    port: int = setting(
        9635,
        "TCP port to listen on with endpoint = separate. 0 selects a free port.",
        minimum=0,
        maximum=65535,
        change_when="another service uses the port",
    )


@dataclasses.dataclass(frozen=True)
class HealthcheckConfig:
    """``[healthcheck]``: the health check path of Ironic."""

    enabled: bool = setting(
        False,
        "Serve /healthcheck in addition to /healthz and /readyz.",
        change_when="a load balancer configured for Ironic checks /healthcheck",
    )
