"""Encryption of the secrets in the columns of a store: fields with names of secrets, and credentials in URLs.

Only the secrets are encrypted, each where it stands in the JSON or the text, so columns without secrets stay as they are. A
sealed secret is text between marks. A string of a client that contains such a mark is sealed as a whole: so a client cannot
have a secret unsealed that it copied from a backup.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

from baremetal_interfaces import MASK, BareMetalError
from baremetal_interfaces.secret_fields import mask_urls, may_contain_secrets, replace_in_urls, replace_secrets
from baremetal_sdk.logs import get_logger
from baremetal_sdk.store.records.fields import Field, FieldKind, RecordFields
from baremetal_sdk.store.secrets import FernetBox, PlainBox, SecretBox

LOG = get_logger(__name__)

MARK = "<sealed"
"""Beginning of each sealed secret in a column. A column without it has no sealed secret."""
# A whole JSON value, or a part of a string or text.
_SEALED = re.compile(r'"<sealed-value:([\w=.-]+)>"|<sealed:([\w=.-]+)>')
_FERNET_TOKEN = re.compile(rb"[\w=-]+")
_BASE64 = "b64."
_REPORTS = frozenset({("node", "last_error"), ("allocation", "last_error"), ("history entry", "event")})
"""Texts of errors, which are read by people. Credentials in their URLs are masked, not sealed."""
_SEALED_TEXTS = frozenset({("keyed request", "content"), ("node value part", "content")})
"""Texts that are sealed as a whole."""


@runtime_checkable
class SealingStore(Protocol):
    """Protocol of stores that encrypt secrets in their columns."""

    def seal_with(self, box: SecretBox) -> None:
        """Encrypt secrets with *box* from now on, unless the store has a box. In an open store, seal the rows that exist."""

    def renew_seals(self) -> int:
        """Encrypt the secrets in columns again that were not encrypted with the first key, and return the number of rows."""

    def count_sealed_rows(self, is_counted: Callable[[bytes], bool]) -> Mapping[str, int]:
        """Return the number of rows, by the kind of record, with a sealed secret for which *is_counted* returns True."""


def find_sealed(stored: str) -> Iterator[bytes]:
    """Yield the sealed secrets in the stored value of a column."""
    return (_to_bytes(found[1] or found[2]) for found in _SEALED.finditer(stored))


def seal_columns(store: object, box: SecretBox) -> None:
    """Make *store* encrypt secrets in its columns with *box*. Do nothing for a store in memory, and for a box without a key."""
    if isinstance(store, SealingStore) and not isinstance(box, PlainBox):
        store.seal_with(box)


def has_columns_with_secrets(field: Field) -> bool:
    """Return whether the values of *field* can contain secrets: JSON and long texts."""
    return field.kind.is_json or field.kind is FieldKind.TEXT


class SealedColumns:
    """Seals secrets in the stored form of records, and unseals them. Without a *box*, secrets stay as they are.

    Sealed secrets that the box cannot unseal, or that it lacks a key for, become masks. So one of them breaks no listing.
    """

    def __init__(self, box: SecretBox | None = None) -> None:
        self.box = box
        self._has_failed = False

    def seal(self, fields: RecordFields[Any], stored: dict[str, Any]) -> dict[str, Any]:
        """Replace the secrets in the stored form of a record, or of changes of it, by sealed ones. Return *stored*."""
        for name, value in stored.items():
            if value is None or value == "{}" or value == "[]":
                continue
            field = fields.by_name.get(name)
            if field is None:
                continue
            if field.kind.is_json:
                stored[name] = self._seal_json(value, f"{fields.label}/{name}")
            elif field.kind is FieldKind.TEXT:
                stored[name] = self._seal_text(value, fields.label, name)
        return stored

    def unseal(self, fields: RecordFields[Any], stored: dict[str, Any]) -> dict[str, Any]:
        """Replace the sealed secrets in the stored form of a record by those in clear. Return *stored*."""
        for name, value in stored.items():
            if isinstance(value, str) and MARK in value and has_columns_with_secrets(field := fields.by_name[name]):
                unseal = self.unseal_json if field.kind.is_json else self.unseal_text
                stored[name] = unseal(value, f"{fields.label}/{name}")
        return stored

    def unseal_json(self, stored: str, context: str) -> str:
        """Return the JSON text *stored* with all secrets in clear. *context* names the record class and the field."""
        return self._unseal(stored, context, lambda secret: json.dumps(secret)[1:-1])

    def unseal_text(self, stored: str, context: str) -> str:
        """Return the text *stored* with all secrets in clear."""
        return self._unseal(stored, context, str)

    def seal_stored(self, fields: RecordFields[Any], field: Field, stored: str) -> str:
        """Return the stored value of *field* with its secrets sealed. Secrets that are sealed already are kept.

        For the sealing of columns that another release has written.
        """
        context = f"{fields.label}/{field.name}"
        if field.kind.is_json:
            return self._seal_json(stored, context, trusted=True)
        if MARK in stored:
            return stored
        return self._seal_text(stored, fields.label, field.name)

    def renew(self, stored: str, context: str) -> str:
        """Return the stored value with those secrets sealed again that were not sealed with the first key of the box."""
        box = self.box
        if not isinstance(box, FernetBox):
            return stored

        def replace(found: re.Match[str]) -> str:
            token = _to_bytes(found[1] or found[2])
            if box.is_current(token):
                return found[0]
            try:
                again = _to_text(box.seal(box.unseal(token, context), context))
            except BareMetalError as exc:
                LOG.error("%s", exc)
                return found[0]
            return f'"<sealed-value:{again}>"' if found[1] else f"<sealed:{again}>"

        return _SEALED.sub(replace, stored)

    def _seal_json(self, stored: str, context: str, *, trusted: bool = False) -> str:
        if self.box is None or (MARK not in stored and not may_contain_secrets(stored)):
            return stored
        value = json.loads(stored)

        def seal_value(secret: Any) -> Any:
            # A mask in driver_info stands for a secret in the column sealed_secrets.
            if secret == MASK or (trusted and isinstance(secret, str) and _SEALED.fullmatch(f'"{secret}"')):
                return secret
            return f"<sealed-value:{self._seal(json.dumps(secret, separators=(',', ':')), context)}>"

        def seal_text(text: str) -> str:
            if MARK in text:
                return text if trusted else str(seal_value(text))
            return replace_in_urls(text, lambda secret: self._wrap(secret, context))

        if not trusted and MARK in stored and _has_marked_name(value):
            # The name of a field contains the mark, and names are not sealed one by one.
            return json.dumps(seal_value(value))
        sealed = replace_secrets(value, seal_value, seal_text, pairs=True)
        return stored if sealed is value else json.dumps(sealed, separators=(",", ":"))

    def _seal_text(self, stored: str, label: str, name: str) -> str:
        context = f"{label}/{name}"
        if (label, name) in _REPORTS:
            return mask_urls(stored)
        if self.box is None:
            return stored
        if (label, name) in _SEALED_TEXTS:
            return self._wrap(stored, context)
        if MARK in stored:
            return self._wrap(stored, context)
        return replace_in_urls(stored, lambda secret: self._wrap(secret, context))

    def _wrap(self, secret: str, context: str) -> str:
        return f"<sealed:{self._seal(secret, context)}>"

    def _seal(self, secret: str, context: str) -> str:
        assert self.box is not None
        return _to_text(self.box.seal({"": secret}, context))

    def _unseal(self, stored: str, context: str, escape: Callable[[str], str]) -> str:
        def replace(found: re.Match[str]) -> str:
            try:
                if self.box is None:
                    return f'"{MASK}"' if found[1] else MASK
                secret = self.box.unseal(_to_bytes(found[1] or found[2]), context)[""]
            except (BareMetalError, KeyError, ValueError):
                if not self._has_failed:
                    self._has_failed = True
                    LOG.error(
                        "a secret in %s cannot be unsealed: restore the key that sealed it, or set the secret again", context
                    )
                return f'"{MASK}"' if found[1] else MASK
            return secret if found[1] else escape(secret)

        return _SEALED.sub(replace, stored)


def _has_marked_name(value: Any) -> bool:
    if isinstance(value, dict):
        return any(MARK in name for name in value) or any(map(_has_marked_name, value.values()))
    return isinstance(value, list) and any(map(_has_marked_name, value))


def _to_text(sealed: bytes) -> str:
    if _FERNET_TOKEN.fullmatch(sealed):
        return sealed.decode("ascii")
    return _BASE64 + base64.urlsafe_b64encode(sealed).decode("ascii")


def _to_bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text[len(_BASE64) :]) if text.startswith(_BASE64) else text.encode("ascii")
