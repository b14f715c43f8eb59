"""Walks a local directory tree as people have them: links are followed, and nothing is left out without a reason."""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Collection
from pathlib import Path

from components.core.errors import InputError
from components.core.text import printable
from components.storage.local import file_info
from components.storage.local_writing import PARTIAL_SUFFIX
from components.storage.objects import PassedOver, Tree, WhyPassOver


def walk(root_uri: str, why_pass_over: WhyPassOver) -> Tree:
    """Lists the files below a directory. For arguments and result see `storage.walk`.

    A link to a directory is followed, once: not to a directory that was listed already, nor to one above the root.
    Directories come before links, so that what is reached both ways has the name without the link.
    """
    return _Walk(root_uri, why_pass_over).run()


class _Walk:
    def __init__(self, root_uri: str, why_pass_over: WhyPassOver) -> None:
        self._root, self._why_pass_over = root_uri, why_pass_over
        self._real_root = os.path.realpath(root_uri)
        self._seen = set[tuple[int, int]]()
        self._files_seen = set[str]()
        self._tree = Tree([], [])
        self._links: list[str] = []

    def run(self) -> Tree:
        if Path(self._root).is_dir():
            self._directories_from("")
        linked_files: list[str] = []
        while self._links:
            links, self._links = sorted(self._links), []
            for name in links:
                self._follow(name, linked_files)
        for name in sorted(linked_files):
            if os.path.realpath(self._path(name)) in self._files_seen:
                self._pass_over(name, "link to a file that is listed itself")
            else:
                self._add(name)
        objects = sorted(self._tree.objects, key=lambda info: info.name)
        return Tree(objects, sorted(self._tree.passed_over))

    def _path(self, name: str) -> str:
        return str(Path(self._root, name))

    def _pass_over(self, name: str, reason: str) -> None:
        self._tree.passed_over.append(PassedOver(name, reason))

    def _directories_from(self, first: str) -> None:
        """Lists a directory and all below it; what are links is kept for later."""
        waiting = deque([first])
        while waiting:
            name = waiting.popleft()
            entries = self._entries(name)
            reason = self._why_pass_over(name, [entry.name for entry in entries]) if name else None
            if reason:
                self._pass_over(name, reason)
                continue
            for entry in entries:
                below = f"{name}/{entry.name}" if name else entry.name
                if reason := self._why_pass_over(below, None):
                    self._pass_over(below, reason)
                elif entry.is_symlink():
                    self._links.append(below)
                elif entry.is_dir(follow_symlinks=False):
                    waiting.append(below)
                elif entry.is_file(follow_symlinks=False):
                    self._add(below)
                else:
                    self._pass_over(below, "no regular file")

    def _entries(self, name: str) -> Collection[os.DirEntry[str]]:
        path = self._path(name)
        try:
            found = Path(path).stat()
            self._seen.add((found.st_dev, found.st_ino))
            with os.scandir(path) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            raise InputError(
                f"cannot read the directory '{printable(path)}': {error.strerror}; give yourself the permission to "
                "read it, or move it out of the source"
            ) from error

    def _add(self, name: str) -> None:
        if name.endswith(PARTIAL_SUFFIX):
            return
        path = self._path(name)
        try:
            info = file_info(Path(path), name)
        except OSError as error:
            self._pass_over(name, f"cannot be read: {error.strerror}")
            return
        self._files_seen.add(os.path.realpath(path))
        if os.access(path, os.R_OK):
            self._tree.objects.append(info)
        else:
            self._pass_over(name, "cannot be read: no permission")

    def _follow(self, name: str, linked_files: list[str]) -> None:
        path = self._path(name)
        try:
            found = Path(path).stat()
        except OSError:  # it leads to nothing, or in a circle
            self._pass_over(name, "broken link")
            return
        if stat.S_ISREG(found.st_mode):
            linked_files.append(name)
        elif not stat.S_ISDIR(found.st_mode):
            self._pass_over(name, "no regular file")
        elif (found.st_dev, found.st_ino) in self._seen:
            self._pass_over(name, "link to a directory that is listed itself")
        elif f"{self._real_root}/".startswith(os.path.realpath(path).rstrip("/") + "/"):
            self._pass_over(name, "link to a directory above the source")
        else:
            self._directories_from(name)
