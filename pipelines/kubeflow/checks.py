"""Checks the parameters of a run in Kubeflow before anything is sent: as `plan` does, and what a cluster needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from components import storage
from components.core import environment
from components.core.errors import InputError
from components.launch.request import Placement
from components.plan.run_plan import check_no_placeholders, check_parameters

_QUANTITY = re.compile(r"[1-9]\d*(\.\d+)?([KMGTPE]i?)?")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


def check_run(arguments: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Checks the parameters of a run.

    Args:
        arguments: The parameters that are given.
        defaults: The pipeline's parameters with their defaults; None for those that have none.

    Raises:
        InputError: A value that the run could not use; names the parameter.
    """
    given = {**defaults, **arguments}
    for name, value in given.items():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str):
                check_no_placeholders(name, text)
    names = ("families", "synths", "preset", "bindings")
    check_parameters(given["source"], given["workspace"] or "", *(given[name] for name in names))
    for name in ("source", "workspace"):
        if not storage.is_remote(given[name]):
            raise InputError(
                f"parameter '{name}' is '{given[name]}': pods cannot read a path of this machine, expected "
                "gs://bucket/prefix"
            )
    _check_tracking_uri(given["tracking_uri"])
    _check_placement(given)
    for variable, image in (
        (environment.DATA_IMAGE, environment.data_image()),
        (environment.TRAIN_IMAGE, environment.train_image()),
    ):
        check_image(variable, image)


def check_image(variable: str, image: str) -> None:
    """Raises InputError for the name of an image without its registry, which a cluster looks for at Docker Hub."""
    registry, slash, _ = image.partition("/")
    if not slash or not ("." in registry or ":" in registry or registry == "localhost"):
        raise InputError(
            f"{variable} is '{image}': expected the name with its registry, such as registry.example.com/{image}; "
            f"for an image that is loaded into the nodes, docker.io/library/{image}"
        )


def _check_tracking_uri(uri: str) -> None:
    is_local = (urlsplit(uri).hostname or "") in ("localhost", "127.0.0.1", "::1")
    if uri and (is_local or not uri.startswith(("http://", "https://", "databricks"))):
        raise InputError(
            f"parameter 'tracking_uri' is '{uri}': expected the URL of an MLflow server that pods reach, such as "
            "http://mlflow.luthier:5000; a database or path of this machine is not one"
        )


def _check_placement(given: Mapping[str, Any]) -> None:
    Placement.of_form(given["gpus"], given["queue"], given["priority_class"])
    if given["priority_class"] and not _NAME.fullmatch(given["priority_class"]):
        raise InputError(
            f"parameter 'priority_class' is '{given['priority_class']}': expected the name of a class, of "
            "lower-case letters, digits, '-' and '.'"
        )
    if given["sort_workers"] < 1:
        raise InputError(f"parameter 'sort_workers' is {given['sort_workers']}: expected 1 or more")
    if not _QUANTITY.fullmatch(given["memory_limit"]):
        raise InputError(f"parameter 'memory_limit' is '{given['memory_limit']}': expected an amount such as 8Gi")
