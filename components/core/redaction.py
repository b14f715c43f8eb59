"""Secrets in text: what leaves the process (errors, logs, tracebacks, events) has no password, token or cookie.

A URI can have a user and a password, `https://user:password@host`; a database's URI also `?password=...`.
"""

from __future__ import annotations

import os
import re

from components.core import environment
from components.core.errors import InputError

MASK = "***"

# `//user:password@`: a password that is not quoted for URIs may have any character but a space. In `//host:5000/x@y`, a
# port follows the colon.
_PASSWORD = re.compile(r"(?<=://)([^\s/?#@:\[]*):(?!\d+(?:[/?#]|$|\s))(\S*)@")
# `https://token@host`: a user alone is a secret of a web server, but not of a database.
_TOKEN = re.compile(r"(?<=http://|ttps://)[^\s/?#@:]+@")
_PARAMETER = re.compile(r"(?<=[?&])([\w.-]*(?:passw(?:or)?d|pwd|token|secret|signature)[\w.-]*)=[^\s&#'\"]+", re.I)
_SHORTEST = 6  # characters; a shorter value could be part of any word
_SECRET_VARIABLES = (
    environment.MLFLOW_TRACKING_PASSWORD,
    environment.MLFLOW_TRACKING_TOKEN,
    environment.KFP_TOKEN,
    environment.KFP_COOKIE,
)


def redact(text: str) -> str:
    """Returns a text with MASK in place of its secrets: those of URIs, and values of environment variables."""
    for name in _SECRET_VARIABLES:
        value = environment.get(name)
        if len(value) >= _SHORTEST:
            text = text.replace(value, MASK)
    return _redact_uris(text)


def has_secret(uri: str) -> bool:
    """Tells whether a URI has a password or a token in it."""
    return _redact_uris(uri) != uri


def without_secret(uri: str) -> str:
    """Returns a URI without user, password and secret parameters; another URI as it is."""
    if not has_secret(uri):
        return uri
    return re.sub(r"(?<=://)(?:[^\s/?#]*|\S*)@", "", _PARAMETER.sub(rf"\1={MASK}", uri), count=1)


def check_no_secret(uri: str, option: str) -> str:
    """Returns a URI without a secret, which others may read.

    Args:
        uri: The URI.
        option: Names it in the error, for instance "tracking_uri".

    Raises:
        InputError: It has a password or a token.
    """
    if has_secret(uri):
        raise InputError(
            f"{option} '{redact(uri)}' has a password, which everybody who sees the run could read: expected the URI "
            f"without it; set {environment.MLFLOW_TRACKING_USERNAME} and {environment.MLFLOW_TRACKING_PASSWORD}, in a "
            "cluster by the Secret luthier-mlflow-login (docs/operations.md)"
        )
    return uri


def write_private(path: str | os.PathLike[str], text: str) -> None:
    """Writes a file that only its owner can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, 0o600)  # it may have been there, with other permissions
        file.write(text)


def _redact_uris(text: str) -> str:
    text = _PASSWORD.sub(rf"\1:{MASK}@", text)
    text = _TOKEN.sub(f"{MASK}@", text)
    return _PARAMETER.sub(rf"\1={MASK}", text)
