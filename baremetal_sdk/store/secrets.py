"""How credentials are kept: sealed, so that whoever reads the database or a backup of it does not have them."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from baremetal_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    pass


class SecretBox(Protocol):
    """Seals secrets (name -> value). *context*, a node's UUID, is bound in: a seal opens for that node alone."""

    def seal(self, mapping: Mapping[str, str], context: str) -> bytes:
        """What can be stored in place of these secrets."""

    def unseal(self, sealed: bytes, context: str) -> dict[str, str]:
        """The secrets again. Raises ``ConfigurationError`` for another key or another context."""


class FernetBox:
    """Seals with the key in a file, which is made (mode 0600) where it is missing.

    The file holds one Fernet key to a line. The first one seals; all of them open, so that a key is changed by putting
    a new one before it. Raises ``ConfigurationError`` when the file cannot be read or holds something else.
    """

    def __init__(self, key_file: str | Path) -> None:
        self._path = Path(key_file)
        self._where = str(key_file)
        self._open()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._where!r})"

    def reload(self) -> None:
        """Take over keys that were changed. Raises ``ConfigurationError``, and then goes on with those that it has."""
        self._open()

    def is_current(self, sealed: bytes) -> bool:
        """Whether the first key has sealed it: otherwise it wants to be sealed anew before the old key is taken away."""
        from cryptography.fernet import InvalidToken

        try:
            self._first.decrypt(sealed)
        except InvalidToken:
            return False
        return True

    def seal(self, mapping: Mapping[str, str], context: str) -> bytes:
        """What can be stored in place of these secrets."""
        return self._fernet.encrypt(_pack(mapping, context))

    def unseal(self, sealed: bytes, context: str) -> dict[str, str]:
        """The secrets again."""
        from cryptography.fernet import InvalidToken

        try:
            packed = self._fernet.decrypt(sealed)
        except InvalidToken:
            raise ConfigurationError(
                f"the credentials of node {context} were not sealed with a key in {self._where}, or are damaged: "
                "give back the key that they were sealed with, or set the credentials of the node again"
            ) from None
        return _unpack(packed, context)

    def _open(self) -> None:
        from cryptography.fernet import Fernet, MultiFernet

        try:
            keys = [Fernet(key) for key in self._keys().split()]
            self._fernet = MultiFernet(keys)
        except ValueError:
            # The reason that the library gives could quote the key.
            raise self._unusable("it does not hold Fernet keys (32 bytes in URL-safe base64), one to a line") from None
        self._first = keys[0]

    def _keys(self) -> bytes:
        from cryptography.fernet import Fernet

        try:
            if not self._path.exists():
                _create_exclusively(self._path, Fernet.generate_key() + b"\n")
            return self._path.read_bytes()
        except OSError as exc:
            raise self._unusable(exc.strerror or type(exc).__name__) from exc

    def _unusable(self, reason: str) -> ConfigurationError:
        return ConfigurationError(f"[database] secret_key_file: {self._where} cannot be used: {reason}")


class EnvironmentBox(FernetBox):
    """Seals with the keys in an environment variable, white space between them; the first one seals, all of them open."""

    def __init__(self, variable: str) -> None:
        self._where = variable
        self._open()

    def _keys(self) -> bytes:
        return os.environ.get(self._where, "").encode()

    def _unusable(self, reason: str) -> ConfigurationError:
        return ConfigurationError(f"[database] secret_key_env: {self._where} cannot be used: {reason}")


class PlainBox:
    """Seals nothing: for secrets that never leave the memory of the process. They are kept out of what is printed."""

    def seal(self, mapping: Mapping[str, str], context: str) -> bytes:
        """The secrets, as bytes."""
        return _HiddenBytes(_pack(mapping, context))

    def unseal(self, sealed: bytes, context: str) -> dict[str, str]:
        """The secrets again."""
        return _unpack(sealed, context)


class _HiddenBytes(bytes):
    """Bytes that a representation does not show."""

    def __repr__(self) -> str:
        return "<secrets>"

    __str__ = __repr__


def _pack(mapping: Mapping[str, str], context: str) -> bytes:
    return json.dumps({"context": context, "secrets": dict(mapping)}).encode()


def _unpack(packed: bytes, context: str) -> dict[str, str]:
    content = json.loads(packed)
    if content["context"] != context:
        raise ConfigurationError(
            f"the credentials that are stored with node {context} were sealed for another node: set those of the node again"
        )
    found: dict[str, str] = content["secrets"]
    return found


def _create_exclusively(path: Path, content: bytes) -> None:
    """Make a file whole or not at all; where another process made it meanwhile, that one stays."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
