"""`luthier compile`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="compile")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Directory for the package."
)
@click.option("--native", is_flag=True, help="Write Pipeline and PipelineVersion objects as well, for kubectl apply.")
@click.option(
    "--dropdowns", is_flag=True, help="Offer the presets as a list in the UI's form (Kubeflow Pipelines 2.17 or later)."
)
def command(out: Path, native: bool, dropdowns: bool) -> None:
    """Compile the pipeline package, a YAML file for Kubeflow.

    The images it names come from LUTHIER_DATA_IMAGE and LUTHIER_TRAIN_IMAGE.
    """
    from pipelines import package

    if not native:
        click.echo(package.compile_to(out, dropdowns))
        return
    if tagged := package.images_without_digest():
        click.echo(
            f"luthier: warning: {' and '.join(tagged)} are tags, which can be moved to other images; "
            "name them by digest (name@sha256:...) in LUTHIER_DATA_IMAGE and LUTHIER_TRAIN_IMAGE",
            err=True,
        )
    click.echo(package.compile_native(out, dropdowns))
