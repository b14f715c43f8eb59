"""Objects on gs:// and on local disk, through one set of functions: every URI argument may be either.

A missing object is an InputError that names it. Writes are atomic: a reader sees the whole object or none of it.
"""

from components.storage.facade import (
    basename,
    delete,
    delete_tree,
    download_tree,
    exists,
    is_remote,
    join,
    list_objects,
    open_read,
    open_write,
    read_bytes,
    read_json,
    stat,
    upload_tree,
    write_bytes,
    write_json,
)
from components.storage.objects import ObjectInfo, crc32c_base64

__all__ = [
    "ObjectInfo",
    "basename",
    "crc32c_base64",
    "delete",
    "delete_tree",
    "download_tree",
    "exists",
    "is_remote",
    "join",
    "list_objects",
    "open_read",
    "open_write",
    "read_bytes",
    "read_json",
    "stat",
    "upload_tree",
    "write_bytes",
    "write_json",
]
