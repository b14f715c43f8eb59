"""Objects on gs:// and on local disk, through one set of functions: every URI argument may be either.

A missing object is an InputError that names it. Writes are atomic: a reader sees all of an object or nothing.
"""

from components.storage.facade import (
    basename,
    delete,
    delete_leftovers,
    delete_tree,
    download_tree,
    exists,
    is_remote,
    join,
    list_objects,
    open_object,
    open_read,
    open_write,
    read_bytes,
    read_json,
    stat,
    upload_tree,
    walk,
    write_bytes,
    write_json,
)
from components.storage.objects import (
    Changed,
    Conflict,
    Corrupted,
    ObjectInfo,
    PassedOver,
    Tree,
    crc32c_base64,
    crc32c_number,
)
from components.storage.retry import retries

__all__ = [
    "Changed",
    "Conflict",
    "Corrupted",
    "ObjectInfo",
    "PassedOver",
    "Tree",
    "basename",
    "crc32c_base64",
    "crc32c_number",
    "delete",
    "delete_leftovers",
    "delete_tree",
    "download_tree",
    "exists",
    "is_remote",
    "join",
    "list_objects",
    "open_object",
    "open_read",
    "open_write",
    "read_bytes",
    "read_json",
    "retries",
    "stat",
    "upload_tree",
    "walk",
    "write_bytes",
    "write_json",
]
