"""Sockets that listen: on addresses, on a path, or handed in by whoever started us."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import grp
import ipaddress
import os
import pwd
import socket
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from baremetal_sdk.config import APIConfig
from baremetal_sdk.errors import ConfigurationError

BACKLOG = 1024
"""Connections that the kernel keeps for us before we accept them."""
_ATTEMPTS = 20
"""Free ports that are tried until one is free on all addresses."""
_FIRST_PASSED = 3
"""The first descriptor that systemd passes (sd_listen_fds(3))."""


@dataclass(frozen=True)
class ListeningSocket:
    """A socket that listens, and what it is called."""

    sock: socket.socket
    host: str
    """The address without its port, or the path of a unix socket."""
    port: int
    """0 for a unix socket."""
    is_shared: bool = False
    """Whether somebody else keeps it open, so that what waits there is not lost when we close ours."""

    @property
    def is_unix(self) -> bool:
        """Whether it is a unix socket."""
        return self.sock.family == socket.AF_UNIX

    @property
    def is_local(self) -> bool:
        """Whether only this machine can connect to it."""
        return self.is_unix or ipaddress.ip_address(self.host.partition("%")[0]).is_loopback


class Listeners:
    """The sockets of one server. Whoever made them closes them, which also removes the files of unix sockets."""

    def __init__(
        self, sockets: Sequence[socket.socket], paths: Mapping[str, tuple[int, int]] | None = None, *, is_shared: bool = False
    ) -> None:
        self.sockets = list(sockets)
        self.is_shared = is_shared
        """Whether somebody else, such as systemd, keeps them open for whoever serves on them next."""
        self._paths = dict(paths or {})
        self._owner = os.getpid()

    def duplicate(self, is_shared: bool) -> list[ListeningSocket]:
        """Copies for a server, which closes them on its own."""
        path = next(iter(self._paths), None)
        return [make_listening_socket(sock.dup(), is_shared, path) for sock in self.sockets]

    def getsockname(self) -> Any:
        """The address of the first one."""
        return self.sockets[0].getsockname()

    def close(self) -> None:
        """Listen no more."""
        for path, identity in self._paths.items():
            # A child of ours has copies, and somebody else may have made another socket there in the meantime.
            if os.getpid() == self._owner and _identity(path) == identity:
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
    """Sockets that listen where *config* says. Raises ``ConfigurationError``, which names address and reason."""
    if config.systemd_socket:
        return Listeners(passed_sockets(config.systemd_socket, os.environ if environ is None else environ), is_shared=True)
    if config.unix_socket:
        sock, identity = _listen_on_path(config)
        return Listeners([sock], {config.unix_socket: identity})
    hosts = [host.strip() for host in config.host_ip.split(",") if host.strip()]
    if not hosts:
        raise ConfigurationError("[api] host_ip: it is empty; give addresses, with commas between them")
    return Listeners(_listen_on_all(hosts, config))


def make_listening_socket(sock: socket.socket, is_shared: bool, path: str | None = None) -> ListeningSocket:
    """A socket with its address; it no longer blocks."""
    sock.setblocking(False)
    if sock.family == socket.AF_UNIX:
        return ListeningSocket(sock, path or os.fsdecode(sock.getsockname() or ""), 0, is_shared)
    host, port = sock.getsockname()[:2]
    with contextlib.suppress(OSError):  # inherited by what is accepted
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return ListeningSocket(sock, host, port, is_shared)


def passed_sockets(name: str, environ: Mapping[str, str]) -> list[socket.socket]:
    """The listening sockets that systemd passed to this process under *name*; ``all`` means all of them.

    Raises ``ConfigurationError``.
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
    # Copies: another server of this process may be told the same name.
    sockets = [socket.socket(fileno=os.dup(_FIRST_PASSED + number)) for number in wanted]
    for sock in sockets:
        os.set_inheritable(sock.fileno(), False)
        if sock.type != socket.SOCK_STREAM or not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise ConfigurationError(f"[api] systemd_socket: '{name}' does not listen for streams; use ListenStream=, Accept=no")
    return sockets


def _listen_on_all(hosts: Sequence[str], config: APIConfig) -> list[socket.socket]:
    """One socket for each address, all on one port, also where any free one is wanted."""
    for attempt in range(_ATTEMPTS):
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
            if config.port or not sockets or attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def _listen_on(host: str, port: int, reuse_port: bool, dual: bool) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(
            (str(address[0]), port), family=family, backlog=BACKLOG, reuse_port=reuse_port, dualstack_ipv6=dual
        )
    except OSError as exc:
        raise ConfigurationError(f"[api] host_ip, port: cannot listen on {host} port {port}: {exc.strerror or exc}") from exc


def _listen_on_path(config: APIConfig) -> tuple[socket.socket, tuple[int, int]]:
    """A unix socket and what its file is; a file that a dead server left behind is replaced, a live server's never."""
    path = str(config.unix_socket)
    mode, user, group = _mode(config.unix_socket_mode), *_owner(config.unix_socket_owner)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _locked(Path(path).parent):
            _remove_dead(path)
            # Bound under a name that nobody looks for: with its real one it has its mode and owner, and listens.
            hidden = f"{path}.{os.getpid()}"
            sock.bind(hidden)
            try:
                os.chmod(hidden, mode)
                os.chown(hidden, user, group)
                sock.listen(BACKLOG)
                os.rename(hidden, path)
            except OSError:
                os.unlink(hidden)
                raise
        identity = _identity(path)
        assert identity is not None
        return sock, identity
    except OSError as exc:
        sock.close()
        raise ConfigurationError(f"[api] unix_socket: cannot listen on {path}: {exc.strerror or exc}") from exc
    except BaseException:
        sock.close()
        raise


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Two servers that start at the same time look at the file one after the other."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _remove_dead(path: str) -> None:
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise OSError(errno.EEXIST, "there is a file that is no socket")
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
            pass  # it lives, and is busy
    raise OSError(errno.EADDRINUSE, "a server listens there already")


def _identity(path: str) -> tuple[int, int] | None:
    try:
        state = os.stat(path)
    except OSError:
        return None
    return state.st_dev, state.st_ino


def _mode(text: str) -> int:
    try:
        mode = int(text, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o777:
        raise ConfigurationError(f"[api] unix_socket_mode: '{text}' is no file mode; give octal digits such as 0660")
    return mode


def _owner(text: str | None) -> tuple[int, int]:
    """User and group by number; -1 leaves what there is."""
    user, _, group = (text or "").partition(":")
    try:
        return (pwd.getpwnam(user).pw_uid if user else -1), (grp.getgrnam(group).gr_gid if group else -1)
    except KeyError:
        raise ConfigurationError(f"[api] unix_socket_owner: '{text}' names no user and group of this machine") from None
