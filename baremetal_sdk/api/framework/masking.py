"""Secrets in what clients are shown: masked on the way out, and put back where a client sends the mask in.

What plugins declare as secret is stored masked already. Clients put other secrets into free-form fields; those are
known by their names, and credentials in URLs by their form.
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
_NOT_SECRET = re.compile(r"(_|-)(path|file|name|id|ref|uuid|version|pregenerated|time|timeout)$", re.IGNORECASE)
_USER_INFO = re.compile(r"(?<=://)[^/?#@\s]*:[^/?#@\s]*(?=@)")
_SIGNATURE = re.compile(
    r"(?<=[?&])((?:temp_url_sig|x-amz-signature|x-amz-credential|x-amz-security-token|signature|sig|token|access_token)=)[^&#\s]+",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether something of this name is taken for a secret."""
    return _SECRET_NAME.search(name) is not None and _NOT_SECRET.search(name) is None


def mask_secrets(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """A copy of *values* in which secrets are masked, at any depth; *values* itself where there is nothing to do."""
    return {name: _masked_value(name, value) for name, value in values.items()} if values else values


def _masked_value(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if is_secret_name(name) and value not in ("", {}, []):
        return MASK
    return _masked_content(value)


def _masked_content(value: Any) -> Any:
    if isinstance(value, str):
        return mask_urls(value) if "://" in value else value
    if isinstance(value, Mapping):
        return mask_secrets(value)
    if isinstance(value, list | tuple):
        return [_masked_content(item) for item in value]
    return value


def mask_urls(text: str) -> str:
    """*text* without the credentials and signatures of the URLs in it."""
    return _SIGNATURE.sub(rf"\g<1>{MASK}", _USER_INFO.sub(MASK, text))


def restore_masked(new: Any, stored: Any) -> Any:
    """*new* with what is stored in place of every mask that a client was shown and sent back."""
    if new == stored:
        return stored
    if isinstance(new, Mapping) and isinstance(stored, Mapping):
        return {name: _restored_value(name, value, stored) for name, value in new.items()}
    if isinstance(new, list) and isinstance(stored, list | tuple) and len(new) == len(stored):
        return [restore_masked(item, before) for item, before in zip(new, stored, strict=True)]
    if isinstance(new, str) and isinstance(stored, str) and new == mask_urls(stored):
        return stored
    return new


def _restored_value(name: str, value: Any, stored: Mapping[str, Any]) -> Any:
    if name not in stored:
        return value
    if value == MASK and is_secret_name(name):
        return stored[name]
    return restore_masked(value, stored[name])
