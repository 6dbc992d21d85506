"""Listening sockets of the HTTP server: on addresses, on the path of a unix socket, or passed by systemd."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import grp
import os
import pwd
import socket
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from baremetal_interfaces.addresses import is_loopback, parse_host
from baremetal_sdk.config import APIConfig
from baremetal_sdk.errors import ConfigurationError

BACKLOG = 1024
"""Connections that the kernel queues until the server accepts them."""
_MAX_PORT_ATTEMPTS = 20
"""Ports that are tried until one is free on all addresses."""
_FIRST_SYSTEMD_FD = 3
"""First file descriptor that systemd passes (sd_listen_fds(3))."""


@dataclass(frozen=True)
class ListeningSocket:
    """A listening socket with its address."""

    sock: socket.socket
    host: str
    """Address without port, or path of a unix socket."""
    port: int
    """Port. 0 for a unix socket."""
    is_shared: bool = False
    """True if another holder keeps the socket open. Clients in its queue are then not lost when this copy is closed."""

    @property
    def is_unix(self) -> bool:
        """True for a unix socket."""
        return self.sock.family == socket.AF_UNIX

    @property
    def is_local(self) -> bool:
        """True if only this machine can connect."""
        return self.is_unix or is_loopback(self.host)


class Listeners:
    """Listening sockets of one server. Their creator closes them, which also removes the files of unix sockets.

    Servers use copies. The sockets stay open when a server stops, and clients that connect meanwhile wait for the next server.
    """

    def __init__(
        self, sockets: Sequence[socket.socket], paths: Mapping[str, tuple[int, int]] | None = None, *, is_shared: bool = False
    ) -> None:
        self.sockets = list(sockets)
        self.is_shared = is_shared
        """True if another process, such as systemd, keeps the sockets open for the next server."""
        self._paths = dict(paths or {})
        self._owner = os.getpid()

    def duplicate(self, is_shared: bool) -> list[ListeningSocket]:
        """Return copies of the sockets for a server, which closes them itself. *is_shared*: the originals stay open."""
        path = next(iter(self._paths), None)
        return [make_listening_socket(sock.dup(), is_shared, path) for sock in self.sockets]

    def getsockname(self) -> Any:
        """Return the address of the first socket."""
        return self.sockets[0].getsockname()

    def close(self) -> None:
        """Close the sockets and remove the files of unix sockets.

        A forked child removes no file, and a file that another server has replaced stays.
        """
        for path, identity in self._paths.items():
            # A forked child has copies of the sockets but must not remove the files of its parent. Another server may have
            # replaced a file meanwhile.
            if os.getpid() == self._owner and _stat_identity(path) == identity:
                with contextlib.suppress(OSError):
                    os.unlink(path)
        self._paths.clear()
        for sock in self.sockets:
            sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def listen(config: APIConfig, environ: Mapping[str, str] | None = None) -> Listeners:
    """Open the sockets that *config* names. Raises ``ConfigurationError`` with the address and the reason.

    *environ* replaces the environment of the process, in which systemd passes its sockets.
    """
    if config.systemd_socket:
        return Listeners(find_systemd_sockets(config.systemd_socket, os.environ if environ is None else environ), is_shared=True)
    if config.unix_socket:
        sock, identity = _listen_on_path(config)
        return Listeners([sock], {config.unix_socket: identity})
    hosts = [_parse_host(host) for host in config.host_ip.split(",") if host.strip()]
    if not hosts:
        raise ConfigurationError("[api] host_ip: it is empty; set it to one or more addresses, separated by commas")
    return Listeners(_listen_on_all(hosts, config))


def _parse_host(text: str) -> str:
    try:
        return parse_host(text)
    except ValueError as exc:
        raise ConfigurationError(
            f"[api] host_ip: {text.strip()!r} {exc}; set host names or IP addresses, separated by commas"
        ) from None


def make_listening_socket(sock: socket.socket, is_shared: bool, path: str | None = None) -> ListeningSocket:
    """Make *sock* non-blocking and return it with its address. *path* replaces the path of a unix socket that was renamed.

    *is_shared* is True if another holder keeps the socket open when this copy is closed.
    """
    sock.setblocking(False)
    if sock.family == socket.AF_UNIX:
        return ListeningSocket(sock, path or os.fsdecode(sock.getsockname() or ""), 0, is_shared)
    host, port = sock.getsockname()[:2]
    with contextlib.suppress(OSError):  # accepted sockets inherit this option
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return ListeningSocket(sock, host, port, is_shared)


def find_systemd_sockets(name: str, environ: Mapping[str, str]) -> list[socket.socket]:
    """Return the sockets that systemd passed to this process under *name*. ``all`` selects all of them.

    Raises ``ConfigurationError`` if no socket has this name, or if one does not listen for streams.
    """
    passed = environ.get("LISTEN_FDS", "")
    count = int(passed) if environ.get("LISTEN_PID") == str(os.getpid()) and passed.isdecimal() else 0
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    wanted = [number for number in range(count) if name == "all" or names[number : number + 1] == [name]]
    if not wanted:
        raise ConfigurationError(
            f"[api] systemd_socket: systemd passed no socket named '{name}'"
            + (f"; it passed {', '.join(filter(None, names[:count]))}" if count else " to this process; start its .socket unit")
        )
    # Copies, because another server of this process may use the same name.
    sockets = [socket.socket(fileno=os.dup(_FIRST_SYSTEMD_FD + number)) for number in wanted]
    for sock in sockets:
        os.set_inheritable(sock.fileno(), False)
        if sock.type != socket.SOCK_STREAM or not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise ConfigurationError(
                f"[api] systemd_socket: '{name}' is not a listening stream socket; set ListenStream= and Accept=no in its unit"
            )
    return sockets


def _listen_on_all(hosts: Sequence[str], config: APIConfig) -> list[socket.socket]:
    """Return one socket for each address, all on the same port, even if the configured port is 0.

    The kernel selects a free port for the first address. If it is in use on another address, another port is tried.
    """
    for attempt in range(_MAX_PORT_ATTEMPTS):
        sockets: list[socket.socket] = []
        try:
            port = config.port
            for host in hosts:
                sockets.append(_listen_on(host, port, config.reuse_port, dual=list(hosts) == ["::"]))
                port = int(sockets[0].getsockname()[1])
            return sockets
        except ConfigurationError:
            for sock in sockets:
                sock.close()
            if config.port or not sockets or attempt == _MAX_PORT_ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def _listen_on(host: str, port: int, reuse_port: bool, dual: bool) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(
            (str(address[0]), port), family=family, backlog=BACKLOG, reuse_port=reuse_port, dualstack_ipv6=dual
        )
    except OSError as exc:
        raise ConfigurationError(
            f"[api] host_ip, port: cannot listen on {host} port {port}: {exc.strerror or exc}; choose another address or port"
        ) from exc


def _listen_on_path(config: APIConfig) -> tuple[socket.socket, tuple[int, int]]:
    """Return a unix socket and the device and inode of its file. Replace the file of a dead server, never of a live one."""
    path = str(config.unix_socket)
    mode = _parse_mode(config.unix_socket_mode)
    user, group = _parse_owner(config.unix_socket_owner)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _lock(Path(path).parent):
            _remove_dead(path)
            # The socket is bound under a temporary name and renamed when its mode and owner are set and it listens. No client
            # can connect before the permissions apply.
            temporary = f"{path}.{os.getpid()}"
            sock.bind(temporary)
            try:
                os.chmod(temporary, mode)
                os.chown(temporary, user, group)
                sock.listen(BACKLOG)
                os.rename(temporary, path)
            except OSError:
                os.unlink(temporary)
                raise
        identity = _stat_identity(path)
        assert identity is not None
        return sock, identity
    except OSError as exc:
        sock.close()
        raise ConfigurationError(f"[api] unix_socket: cannot listen on {path}: {exc.strerror or exc}") from exc
    except BaseException:
        sock.close()
        raise


@contextmanager
def _lock(directory: Path) -> Iterator[None]:
    """Hold a lock on *directory*, so that two servers that start together examine the file one after the other."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _remove_dead(path: str) -> None:
    """Remove the socket file of a server that no longer runs. Raises ``OSError`` for a live server or another kind of file."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise OSError(errno.EEXIST, "a file that is not a socket has this name")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:
            pass  # the queue of a live server is full
    raise OSError(errno.EADDRINUSE, "another server listens there already")


def _stat_identity(path: str) -> tuple[int, int] | None:
    try:
        state = os.stat(path)
    except OSError:
        return None
    return state.st_dev, state.st_ino


def _parse_mode(text: str) -> int:
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o777:
        raise ConfigurationError(f"[api] unix_socket_mode: '{text}' is not a file mode; use octal digits such as 0660")
    return mode


def _parse_owner(text: str | None) -> tuple[int, int]:
    """Return the user ID and the group ID for ``user:group``. -1 stands for a missing name and changes nothing in ``chown``."""
    user, _, group = (text or "").partition(":")
    try:
        return (pwd.getpwnam(user).pw_uid if user else -1), (grp.getgrnam(group).gr_gid if group else -1)
    except KeyError:
        raise ConfigurationError(
            f"[api] unix_socket_owner: '{text}' does not name a user and a group of this machine; use user:group"
        ) from None
