"""The definition of a secret: names of fields with secrets, and credentials in URLs.

The same definition decides which values are encrypted in a database, masked in responses, and removed from errors and logs.
Options that a plugin declares with ``secret=True`` are secret in addition, whatever their names are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

MASK = "******"
"""The text that replaces a secret in responses, logs and errors."""

_SECRET_NAME = re.compile(
    r"passw(or)?d|pass[_-]?phrase|admin[_-]?pass|pswd|secret|token|credential|configdrive|authorization|community"
    r"|(private|priv|auth|api|access|kg|ssl|shared|signing|encryption|encrypted)[_-]?key|(^|[_-])(pass|pwd|psk)$",
    re.IGNORECASE,
)
# Such names refer to a secret or describe it, as in token_id or password_file.
_NOT_SECRET = re.compile(r"(_|-)(path|file|name|id|ref|uuid|version|pregenerated|time|timeout)$", re.IGNORECASE)
# user:password before the host of a URL, or a long token in its place. It ends at the last @ before the path.
_USER_INFO = re.compile(r"""(?<=://)(?:[^/?#\s"'<>:]*:[^/?#\s"'<>]*|[^/?#@\s"'<>:]{20,})(?=@)""")
# Query parameters of signed URLs (Swift, AWS, Google, Azure), of bearer tokens, and with names of secrets.
_PARAMETER = re.compile(
    r"((?:^|(?<=[?&;#]))[\w.\[\]%~-]*(?:sig|signature|x-amz-credential|x-goog-credential|passw(?:or)?d|secret|token|api_?key)=)"
    r"""([^&#\s"'<>]+)""",
    re.IGNORECASE,
)
# Each secret name and each URL with a secret contains one of these. A search for them is faster than the decoding of JSON.
_HINTS = (
    "pass", "pwd", "pswd", "psk", "secret", "token", "credential", "configdrive", "authorization", "community", "key",
    "://", "sig",
)  # fmt: skip
_MAX_HINT_SEARCH = 16_384
_NAME_KEYS = ("name", "path", "key", "attribute")
_VALUE_KEYS = ("value", "values")


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Return whether the value of a field named *name* counts as a secret: ``api_token`` does, ``token_id`` does not."""
    return _SECRET_NAME.search(name) is not None and _NOT_SECRET.search(name) is None


def may_contain_secrets(text: str) -> bool:
    """Return False if the JSON or other *text* contains no secret for certain. It is a fast check, which may err otherwise."""
    if len(text) > _MAX_HINT_SEARCH:
        return True
    lowered = text.lower()
    return any(hint in lowered for hint in _HINTS)


def replace_in_urls(text: str, replace: Callable[[str], str]) -> str:
    """Return *text* with ``replace(secret)`` in place of each secret in its URLs: passwords, tokens and signatures."""
    if "://" in text:
        text = _USER_INFO.sub(lambda found: replace(found[0]), text)
    if "=" in text and ("?" in text or "#" in text):
        text = _PARAMETER.sub(lambda found: found[1] + replace(found[2]), text)
    return text


def mask_urls(text: str) -> str:
    """Return *text* with masks in place of user names, passwords, tokens and signatures in its URLs."""
    return replace_in_urls(text, lambda secret: MASK)


def replace_secrets(
    value: Any,
    replace: Callable[[Any], Any],
    replace_text: Callable[[str], str],
    *,
    pairs: bool = False,
    declared: Iterable[str] = (),
) -> Any:
    """Return the JSON *value* with ``replace(secret)`` in place of each field with the name of a secret, at any depth.

    All other strings are replaced by ``replace_text(string)``. Fields with names in *declared* are secret, too. With *pairs*,
    so is the ``value`` of an object whose ``name`` or ``path`` is the name of a secret. An empty value is no secret. Parts
    without secrets are returned as they are, not copied.
    """
    if isinstance(value, str):
        return replace_text(value)
    if isinstance(value, Mapping):
        return _replace_in_object(value, replace, replace_text, pairs, declared)
    if isinstance(value, list | tuple):
        new = [replace_secrets(item, replace, replace_text, pairs=pairs, declared=declared) for item in value]
        return value if all(map(_is_same, new, value)) else new
    return value


def _replace_in_object(
    value: Mapping[str, Any],
    replace: Callable[[Any], Any],
    replace_text: Callable[[str], str],
    pairs: bool,
    declared: Iterable[str],
) -> Mapping[str, Any]:
    secret_keys = _VALUE_KEYS if pairs and _names_secret(value) else ()
    changed: dict[str, Any] | None = None
    for name, item in value.items():
        if item is None or item is True or item is False:
            continue
        if item not in ("", {}, []) and (name in declared or name in secret_keys or is_secret_name(str(name))):
            new = replace(item)
        else:
            new = replace_secrets(item, replace, replace_text, pairs=pairs, declared=declared)
        if new is not item:
            changed = dict(value) if changed is None else changed
            changed[name] = new
    return value if changed is None else changed


def _names_secret(value: Mapping[str, Any]) -> bool:
    """Return whether *value* is a pair such as ``{"name": "AdminPassword", "value": "x"}`` with the name of a secret."""
    if not any(key in value for key in _VALUE_KEYS):
        return False
    names = (value.get(key) for key in _NAME_KEYS)
    return any(isinstance(name, str) and is_secret_name(re.split(r"[/.]", name)[-1]) for name in names)


def _is_same(new: Any, old: Any) -> bool:
    return new is old


def mask_secrets(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return *values* with masks at any depth: for fields with names of secrets, and for credentials in URLs."""
    masked: Mapping[str, Any] = replace_secrets(values, lambda secret: MASK, mask_urls) if values else values
    return masked


def collect_secret_values(value: Any, declared: Iterable[str] = ()) -> tuple[str, ...]:
    """Return all secrets in the JSON *value* as texts: fields with names of secrets, and credentials in URLs.

    Of an object or list with the name of a secret, each string in it counts. Masks are left out.
    """
    found: dict[str, None] = {}

    def add(secret: Any) -> Any:
        if isinstance(secret, Mapping):
            for item in secret.values():
                add(item)
        elif isinstance(secret, list | tuple):
            for item in secret:
                add(item)
        elif secret is not None and not isinstance(secret, bool):
            found[str(secret)] = None
        return secret

    def add_from_url(secret: str) -> str:
        # Also the parts of user:password, because a text may contain the password alone.
        found[secret] = None
        if secret.partition(":")[2]:
            found[secret.partition(":")[2]] = None
        return secret

    replace_secrets(value, add, lambda text: replace_in_urls(text, add_from_url), pairs=True, declared=declared)
    found.pop(MASK, None)
    return tuple(found)
