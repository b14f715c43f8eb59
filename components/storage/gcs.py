"""The backend for Google Cloud Storage."""

from components.storage.gcs_listing import delete, delete_leftovers, delete_tree, exists, list_objects, stat
from components.storage.gcs_reading import open_object, open_read
from components.storage.gcs_writing import open_write

__all__ = [
    "delete",
    "delete_leftovers",
    "delete_tree",
    "exists",
    "list_objects",
    "open_object",
    "open_read",
    "open_write",
    "stat",
]
