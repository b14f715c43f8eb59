"""The template of a training's Job: a YAML file that operators write, with patches, from a folder or a ConfigMap.

`training-job.yaml` is a batch/v1 Job. Every other *.yaml beside it is a patch, applied in the order of the file names:
maps are merged, lists whose items have a `name` are merged by name, other lists are appended, null deletes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from components.core.errors import InputError

FILE_NAME = "training-job.yaml"
CONFIG_MAP = "luthier-training-job"
CONTAINER = "trainer"
_SUFFIXES = (".yaml", ".yml")


def read_files(path: str) -> dict[str, str]:
    """Returns the text of a template's files by name.

    Args:
        path: The one file, or a folder of several.

    Raises:
        InputError: There is no such file, or it cannot be read.
    """
    try:
        if not Path(path).is_dir():
            return {FILE_NAME: Path(path).read_text()}
        return {file.name: file.read_text() for file in Path(path).iterdir() if file.is_file()}
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read the Job's template '{path}': {reason}") from error


def merged(files: Mapping[str, str], source: str) -> dict[str, Any]:
    """Returns the Job with all patches applied.

    Args:
        files: YAML text by file name, as in a ConfigMap's data; files that are not *.yaml are ignored.
        source: The folder, file or ConfigMap, for errors.

    Raises:
        InputError: The Job is missing, a file is not YAML, or the result is no Job with a container `trainer`.
    """
    if FILE_NAME not in files:
        found = ", ".join(sorted(files)) or "nothing"
        raise InputError(f"{source} has no {FILE_NAME}, the template of the Job; it has {found}")
    job: dict[str, Any] = _parsed(files[FILE_NAME], FILE_NAME, source)
    for name in sorted(files):
        if name != FILE_NAME and name.endswith(_SUFFIXES):
            job = apply_patch(job, _parsed(files[name], name, source))
    _check(job, source)
    return job


def apply_patch(base: Any, patch: Any) -> Any:
    """Returns `base` with `patch` applied; neither is changed."""
    if isinstance(base, dict) and isinstance(patch, dict):
        result = dict(base)
        for key, value in patch.items():
            if value is None:
                result.pop(key, None)
            else:
                result[key] = apply_patch(result.get(key), value)
        return result
    if isinstance(base, list) and isinstance(patch, list):
        return _apply_to_list(base, patch)
    if isinstance(patch, dict):
        return apply_patch({}, patch)  # removes its nulls
    return patch


def container_of(job: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the container of a Job that trains."""
    containers = job["spec"]["template"]["spec"]["containers"]
    found: dict[str, Any] = next(container for container in containers if container.get("name") == CONTAINER)
    return found


def _apply_to_list(base: list[Any], patch: list[Any]) -> list[Any]:
    if not all(isinstance(item, dict) and "name" in item for item in base + patch):
        return base + patch
    result = {item["name"]: item for item in base}
    if len(result) < len(base):  # a name repeats, as in two mounts of a volume: which one does the patch mean?
        return base + patch
    for item in patch:
        result[item["name"]] = apply_patch(result.get(item["name"], {}), item)
    return list(result.values())


def _parsed(text: str, name: str, source: str) -> Any:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise InputError(f"{name} of {source} is not YAML{line}: {getattr(error, 'problem', error)}") from error
    if not isinstance(value, dict):
        raise InputError(f"{name} of {source} is a {type(value).__name__}, expected a Job or a patch of one")
    return value


def _check(job: dict[str, Any], source: str) -> None:
    kind = f"{job.get('apiVersion')} {job.get('kind')}"
    if kind != "batch/v1 Job":
        raise InputError(f"{FILE_NAME} of {source} is a {kind}, expected a batch/v1 Job")
    try:
        containers = job["spec"]["template"]["spec"]["containers"]
        found = [container["name"] for container in containers]
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{FILE_NAME} of {source} has no list of named containers at spec.template.spec.containers"
        ) from error
    if CONTAINER not in found:
        raise InputError(f"{FILE_NAME} of {source} has no container '{CONTAINER}'; it has {', '.join(found)}")
