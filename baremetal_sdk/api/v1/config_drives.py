"""Checks of the config drives that clients send: a URL, an image in base 64, or an object with the content of the drive."""

from __future__ import annotations

import binascii
import zlib
from collections.abc import Mapping
from typing import Any

from baremetal_interfaces import InvalidInput, Problem

OBJECT_SINCE = 56
"""The minor number of the first microversion that takes a config drive as an object."""
VENDOR_DATA_SINCE = 59
"""The minor number of the first microversion that takes ``vendor_data`` in that object."""
MAX_IMAGE_BYTES = 512 * 1024 * 1024
"""Maximum size of the image in a compressed config drive. It bounds the time of the check of the compressed data."""
_KEYS = frozenset({"meta_data", "network_data", "user_data", "vendor_data"})
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\n\r\t "
_GZIP = b"\x1f\x8b"
_GZIP_WINDOW_BITS = 31
_PIECE_BYTES = 1024 * 1024
_FORMS = "use a URL, base 64 or an object"


def check_config_drive(key: str, value: Any, minor: int) -> None:
    """Raise ``InvalidInput`` for the field *key* unless *value* is a config drive in a form of microversion *minor*.

    An image that is not compressed is accepted, as in Ironic. A compressed one must be complete.
    """
    if isinstance(value, str):
        if "://" not in value:
            _check_image(key, value)
    elif isinstance(value, dict):
        _check_object(key, value, minor)
    else:
        raise InvalidInput([Problem(key, "is neither text nor an object", _FORMS)])


def _check_image(key: str, value: str) -> None:
    """Raise ``InvalidInput`` unless *value* is base 64 and, if its data is compressed with gzip, complete."""
    # Methods of bytes, because a loop over 64 Mi characters would block all other threads for seconds.
    if not value.isascii() or value.encode("ascii").translate(None, _BASE64):
        raise InvalidInput([Problem(key, "is neither a URL nor base 64", _FORMS)])
    try:
        data = memoryview(binascii.a2b_base64(value))
    except binascii.Error:
        raise InvalidInput([Problem(key, "is not complete base 64", "send the whole text, with its padding")]) from None
    if data[:2] == _GZIP:
        _check_gzip(key, data)


def _check_gzip(key: str, data: memoryview) -> None:
    unpacked, rest = 0, data
    # A file may have several members (RFC 1952, section 2.2).
    while rest[:2] == _GZIP:
        member, size = zlib.decompressobj(_GZIP_WINDOW_BITS), 0
        try:
            while not member.eof:
                # Output is taken piece by piece and dropped: a small file can contain a huge image.
                piece = member.unconsumed_tail or rest[size : size + _PIECE_BYTES]
                size += 0 if member.unconsumed_tail else len(piece)
                produced = len(member.decompress(piece, _PIECE_BYTES))
                unpacked += produced
                if not piece and not produced:
                    raise InvalidInput([Problem(key, "ends within its compressed data", "send the whole image")])
                if unpacked > MAX_IMAGE_BYTES:
                    raise InvalidInput([Problem(key, "is too large unpacked", f"the limit is {MAX_IMAGE_BYTES} bytes")])
        except zlib.error:
            raise InvalidInput([Problem(key, "has wrong compressed data", "compress the image with gzip")]) from None
        rest = rest[size - len(member.unused_data) :]


def _check_object(key: str, value: Mapping[str, Any], minor: int) -> None:
    if minor < OBJECT_SINCE:
        raise InvalidInput(
            [Problem(key, "cannot be an object in this version", f"objects need version 1.{OBJECT_SINCE} or later")]
        )
    unknown = sorted(set(value) - _KEYS)
    if unknown:
        known = "allowed are " + ", ".join(sorted(_KEYS))
        raise InvalidInput([Problem(f"{key}.{name[:64]}", "is not known", known) for name in unknown])
    if "vendor_data" in value and minor < VENDOR_DATA_SINCE:
        allowed = f"use version 1.{VENDOR_DATA_SINCE} or later"
        raise InvalidInput([Problem(f"{key}.vendor_data", "is not known in this version", allowed)])
    for name in ("meta_data", "network_data", "vendor_data"):
        if not isinstance(value.get(name, {}), dict):
            raise InvalidInput([Problem(f"{key}.{name}", "is not an object", "use a JSON object")])
    if not isinstance(value.get("user_data"), dict | list | str | None):
        raise InvalidInput([Problem(f"{key}.user_data", "is neither text nor an object nor a list", "use text or JSON")])
