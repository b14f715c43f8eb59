"""Fingerprints: short hexadecimal SHA-256 digests that identify content in cache keys, names and records.

The values are in file names, manifests, run.json and the registry's tags, so they must not change.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any


def fingerprint(value: Any, digits: int = 16) -> str:
    """Returns the fingerprint of a value, equal for equal values whatever the order of their keys.

    Args:
        value: What JSON can hold: None, numbers, text, lists or tuples, and dictionaries with text as keys.
        digits: Hexadecimal digits, at most 64. 16 digits keep 100 million values apart.
    """
    return content_fingerprint([json.dumps(value, sort_keys=True).encode()], digits)


def content_fingerprint(parts: Iterable[bytes | memoryview], digits: int = 16) -> str:
    """Returns the fingerprint of bytes that come in parts; how they are cut does not count.

    Args:
        parts: The bytes. Where the cuts matter, as between a name and a content, the parts must hold a separator.
        digits: Hexadecimal digits, at most 64.
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:digits]
