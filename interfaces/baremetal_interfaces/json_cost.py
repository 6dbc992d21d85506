"""Estimate of what a JSON document costs before it is decoded.

A document of 16 MB in small objects occupies the interpreter for seconds and takes half a gigabyte. Its size alone does not
show that; the number of its values does.
"""

from __future__ import annotations

BYTES_PER_VALUE = 16
"""Fewest bytes per value in a document of maximum size. Redfish and Bare Metal API documents have 20 or more, names included."""
MIN_VALUES = 16 * 1024
"""Number of values that a document may always have."""


def count_values(data: bytes) -> int:
    """Return an upper limit of the number of values in the JSON document *data*.

    Each value but the first follows a comma or an opening bracket. Those in texts count too, which is rare and harmless.
    """
    return data.count(b",") + data.count(b"[") + data.count(b"{") + 1


def compute_max_values(max_bytes: int) -> int:
    """Return the number of values that a document may have if its size may be *max_bytes*."""
    return max(MIN_VALUES, max_bytes // BYTES_PER_VALUE)
