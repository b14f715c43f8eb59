"""`luthier compile`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="compile")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder for the package.")
def command(out: Path) -> None:
    """Write the pipeline package: one YAML file to upload in the Kubeflow UI.

    The images it names come from LUTHIER_DATA_IMAGE and LUTHIER_TRAIN_IMAGE.
    """
    from pipelines.package import compile_to

    click.echo(compile_to(out))
