"""sqlite:///PATH: the URI of a database's file, whatever characters its path has."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

_SCHEME = "sqlite:///"
_QUOTED_SCHEME = "sqlite+pysqlite:///"  # the same to SQLAlchemy, but of the other MLflow makes the quoted directory


def is_sqlite(uri: str) -> bool:
    """Tells whether a tracking URI is that of a database's file."""
    return uri.startswith((_SCHEME, _QUOTED_SCHEME))


def sqlite_uri(path: Path) -> str:
    """Returns the URI of a file, in which MLflow finds the same path: '?' begins its options, and '%' is decoded."""
    written = str(path.absolute())
    quoted = written.replace("%", "%25").replace("?", "%3F")
    return f"{_SCHEME if quoted == written else _QUOTED_SCHEME}{quoted}"


def sqlite_path(uri: str) -> Path:
    """Returns the file of a URI, absolute.

    The path is the one that is written there. Where there is no such file, but there is one after decoding as MLflow
    does (%20, and options after '?'), it is that.
    """
    text = uri.removeprefix(_QUOTED_SCHEME).removeprefix(_SCHEME)
    decoded = Path(unquote(text.partition("?")[0])).absolute()
    if uri.startswith(_QUOTED_SCHEME):
        return decoded
    written = Path(text).absolute()
    return decoded if not written.exists() and decoded.exists() else written
