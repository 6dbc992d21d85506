"""Masking of secrets in responses, and their restoration if a client sends the mask back.

Fields that plugins declare as secret are masked in the store already. This module finds the secrets that clients put into
free-form fields, by their names, and the credentials in URLs, by their form.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from baremetal_interfaces import MASK

_SECRET_NAME = re.compile(
    r"passw(or)?d|passphrase|secret|token|configdrive|credential|private_key|priv_key|auth_key|api_?key|access_key|snmp_community",
    re.IGNORECASE,
)
# Such names refer to a secret or describe it, as in token_id or password_file.
_NOT_SECRET = re.compile(r"(_|-)(path|file|name|id|ref|uuid|version|pregenerated|time|timeout)$", re.IGNORECASE)
# user:password before the host of a URL.
_USER_INFO = re.compile(r"(?<=://)[^/?#@\s]*:[^/?#@\s]*(?=@)")
# Query parameters of signed URLs: Swift temporary URLs, AWS, Azure and bearer tokens.
_SIGNATURE = re.compile(
    r"(?<=[?&])((?:temp_url_sig|x-amz-signature|x-amz-credential|x-amz-security-token|signature|sig|token|access_token)=)[^&#\s]+",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Return whether the value of a field named *name* counts as a secret: ``api_token`` does, ``token_id`` does not."""
    return _SECRET_NAME.search(name) is not None and _NOT_SECRET.search(name) is None


def mask_secrets(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a copy of *values* with masks at any depth: for fields with names of secrets, and for credentials in URLs."""
    return {name: _mask_value(name, value) for name, value in values.items()} if values else values


def _mask_value(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    # An empty value is shown, so that clients can tell it from a set one.
    if is_secret_name(name) and value not in ("", {}, []):
        return MASK
    return _mask_content(value)


def _mask_content(value: Any) -> Any:
    if isinstance(value, str):
        return mask_urls(value) if "://" in value else value
    if isinstance(value, Mapping):
        return mask_secrets(value)
    if isinstance(value, list | tuple):
        return [_mask_content(item) for item in value]
    return value


def mask_urls(text: str) -> str:
    """Return *text* with masks in place of user names, passwords and signatures in its URLs."""
    return _SIGNATURE.sub(rf"\g<1>{MASK}", _USER_INFO.sub(MASK, text))


def restore_masked(new: Any, stored: Any) -> Any:
    """Return the value *new* from a client, with the *stored* secret in place of each mask that the client sent back.

    A mask stays in the result if *stored* has no secret at the same place.
    """
    if new == stored:
        return stored
    if isinstance(new, Mapping) and isinstance(stored, Mapping):
        return {name: _restore_value(name, value, stored) for name, value in new.items()}
    # Items are matched by position. In a list of another length a mask cannot be assigned to an item.
    if isinstance(new, list) and isinstance(stored, list | tuple) and len(new) == len(stored):
        return [restore_masked(item, before) for item, before in zip(new, stored, strict=True)]
    if isinstance(new, str) and isinstance(stored, str) and new == mask_urls(stored):
        return stored
    return new


def _restore_value(name: str, value: Any, stored: Mapping[str, Any]) -> Any:
    if name not in stored:
        return value
    if value == MASK and is_secret_name(name):
        return stored[name]
    return restore_masked(value, stored[name])
