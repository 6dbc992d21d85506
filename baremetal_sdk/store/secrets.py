"""Encryption of nodes' credentials in a store, so that a copy of the database does not reveal them."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from baremetal_sdk.errors import ConfigurationError
from baremetal_sdk.store.durable_files import flush_directory

if TYPE_CHECKING:
    from cryptography.fernet import Fernet, MultiFernet


class SecretBox(Protocol):
    """Protocol of objects that seal (encrypt) and unseal the secrets of a node, a mapping of name to value.

    *context*, a node's UUID, is part of the sealed data: sealed secrets that are copied to another node cannot be unsealed.
    """

    def seal(self, mapping: Mapping[str, str], context: str) -> bytes:
        """Return the secrets *mapping* of the node *context* as encrypted bytes that can be stored."""

    def unseal(self, sealed: bytes, context: str) -> dict[str, str]:
        """Return the secrets in *sealed*.

        Raises ``ConfigurationError`` if they were sealed with another key or for another node.
        """


class _Keys(NamedTuple):
    """The keys of a box."""

    first: Fernet
    ring: MultiFernet
    """All keys, the first one included."""


class FernetBox:
    """Secret box with Fernet keys from a file.

    The file has one key per line. The first key seals and all keys unseal, so a new first line changes the key. With *create*,
    a missing file is created with a new key and mode 0600. Raises ``ConfigurationError`` if the file cannot be read or does not
    contain keys.
    """

    def __init__(self, key_file: str | Path, *, create: bool = True) -> None:
        self._path = Path(key_file)
        self._source = str(key_file)
        self._creates = create
        self._keys = self._load_keys()
        self._creates = False  # a reload must not replace a file that was lost meanwhile

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._source!r})"

    @property
    def source(self) -> str:
        """The file or the environment variable of the keys, with its option, for messages."""
        return f"[database] secret_key_file: {self._source}"

    def reload(self, check: Callable[[], None] | None = None) -> None:
        """Read the keys again, and call *check* with the new ones in use.

        Raises ``ConfigurationError`` for unusable keys, and the errors of *check*. The present keys then remain in use.
        """
        present, self._keys = self._keys, self._load_keys()
        try:
            if check is not None:
                check()
        except ConfigurationError:
            self._keys = present
            raise

    def is_current(self, sealed: bytes) -> bool:
        """Return whether *sealed* was sealed with the first key. If not, seal the data again before its key is removed."""
        from cryptography.fernet import InvalidToken

        try:
            self._keys.first.decrypt(sealed)
        except InvalidToken:
            return False
        return True

    def can_open(self, sealed: bytes) -> bool:
        """Return whether one of the keys sealed *sealed*."""
        return self.key_check()(sealed)

    def key_check(self) -> Callable[[bytes], bool]:
        """Return a function that does what :meth:`can_open` does, with the present keys also after a reload."""
        from cryptography.fernet import InvalidToken

        ring = self._keys.ring

        def can_open(sealed: bytes) -> bool:
            try:
                ring.decrypt(sealed)
            except InvalidToken:
                return False
            return True

        return can_open

    def seal(self, mapping: Mapping[str, str], context: str) -> bytes:
        """Return the secrets *mapping* of the node *context*, encrypted with the first key."""
        return self._keys.ring.encrypt(_pack(mapping, context))

    def unseal(self, sealed: bytes, context: str) -> dict[str, str]:
        """Return the secrets in *sealed*, decrypted with the key that sealed them. Raises ``ConfigurationError``."""
        from cryptography.fernet import InvalidToken

        try:
            packed = self._keys.ring.decrypt(sealed)
        except InvalidToken:
            raise ConfigurationError(
                f"the credentials of node {context} were not sealed with a key in {self._source}, or are damaged: "
                "restore the key that sealed them, or set the credentials of the node again"
            ) from None
        return _unpack(packed, context)

    def _load_keys(self) -> _Keys:
        from cryptography.fernet import Fernet, MultiFernet

        try:
            keys = [Fernet(key) for key in self._read_keys().split()]
            return _Keys(keys[0], MultiFernet(keys))
        except (ValueError, IndexError):
            # The library's own message could quote the key.
            raise self._unusable_error("it contains no valid Fernet keys (32 bytes in URL-safe base64), one per line") from None

    def _read_keys(self) -> bytes:
        from cryptography.fernet import Fernet

        try:
            if self._creates and not self._path.exists():
                _create_exclusively(self._path, Fernet.generate_key() + b"\n")
            return self._path.read_bytes()
        except OSError as exc:
            raise self._unusable_error(exc.strerror or type(exc).__name__) from exc

    def _unusable_error(self, reason: str) -> ConfigurationError:
        return ConfigurationError(f"{self.source} cannot be used: {reason}")


class EnvironmentBox(FernetBox):
    """Secret box with Fernet keys from an environment variable, separated by white space.

    The first key seals and all keys unseal. Raises ``ConfigurationError`` if the variable does not contain keys.
    """

    def __init__(self, variable: str) -> None:
        self._source = variable
        self._keys = self._load_keys()

    @property
    def source(self) -> str:
        """The environment variable of the keys, with its option, for messages."""
        return f"[database] secret_key_env: {self._source}"

    def _read_keys(self) -> bytes:
        if self._source not in os.environ:
            raise self._unusable_error("the variable is not set")
        return os.environ[self._source].encode()


class PlainBox:
    """Secret box without encryption, for stores in memory. The sealed bytes do not show the secrets in ``repr()``."""

    def seal(self, mapping: Mapping[str, str], context: str) -> bytes:
        """Return the secrets *mapping* of the node *context* as bytes, not encrypted."""
        return _HiddenBytes(_pack(mapping, context))

    def unseal(self, sealed: bytes, context: str) -> dict[str, str]:
        """Return the secrets in *sealed*. Raises ``ConfigurationError`` if they were sealed for another node."""
        return _unpack(sealed, context)


class _HiddenBytes(bytes):
    """Bytes with secrets, whose ``repr()`` and ``str()`` do not show the content."""

    def __repr__(self) -> str:
        return "<secrets>"

    __str__ = __repr__


def _pack(mapping: Mapping[str, str], context: str) -> bytes:
    return json.dumps({"context": context, "secrets": dict(mapping)}).encode()


def _unpack(packed: bytes, context: str) -> dict[str, str]:
    content = json.loads(packed)
    if content["context"] != context:
        raise ConfigurationError(
            f"the credentials that are stored with node {context} were sealed for another node: "
            "set the credentials of the node again"
        )
    found: dict[str, str] = content["secrets"]
    return found


def _create_exclusively(path: Path, content: bytes) -> None:
    """Create the file *path* with *content*, mode 0600 and durably. Keep the file if another process has created it first."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # A hard link, unlike a rename, fails if the target exists. Two processes that start at once then use the same key.
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    # Without a flush of the directory, a power failure could lose the key after secrets were sealed with it.
    flush_directory(path.parent)
