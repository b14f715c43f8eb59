"""`--if-changed` of `run` and `submit`: prints what is new, and narrows a run's parameters to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click


def narrow(arguments: Mapping[str, Any], tracking_uri: str = "") -> dict[str, Any] | None:
    """Prints in one line what is new to the registry.

    Args:
        arguments: The pipeline's parameters; those left out have the pipeline's defaults.
        tracking_uri: MLflow as this machine reaches it; "" for the parameter `tracking_uri`.

    Returns:
        The parameters of a run for the families that are new; None where nothing is.

    Raises:
        InputError: See `components.plan.changes.find_changes`.
    """
    from components.plan.changes import find_changes
    from pipelines.package import default_arguments

    given = {**default_arguments(), **arguments}
    changes = find_changes(
        source_uri=given["source"],
        families=given["families"],
        synths=given["synths"],
        preset=given["preset"],
        bindings=given["bindings"],
        tracking_uri=tracking_uri or given["tracking_uri"],
    )
    click.echo(changes.text)
    if not changes.needed:
        return None
    return {**arguments, "if_changed": True, **({"families": changes.families} if changes.families else {})}
