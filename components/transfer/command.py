"""`luthier transfer`."""

from __future__ import annotations

import click


@click.command()
@click.option(
    "--model",
    "models",
    multiple=True,
    required=True,
    metavar="URI",
    help="A model; repeat to compare several.",
)
@click.option(
    "--input", "input_uri", required=True, metavar="FILE", help="A recording of any format that prepare takes."
)
@click.option("--out", "out_uri", required=True, metavar="FILE|DIR", help="A .wav, .flac or .ogg file, or a directory.")
@click.option(
    "--pitch",
    default="swift-f0",
    metavar="NAME",
    show_default=True,
    help="The pitch tracker: swift-f0 (fast) or crepe (slow; needs the package torchcrepe).",
)
@click.option("--octave", type=int, metavar="N", help="Move the pitch by N octaves. [default: fitted to the model]")
@click.option(
    "--loudness-db", type=float, default=0.0, metavar="DB", show_default=True, help="Add DB to the fitted loudness."
)
@click.option("--no-auto", is_flag=True, help="Do not fit pitch and loudness to the model's training.")
@click.option(
    "--rate", "rate_hz", type=int, default=16_000, show_default=True, help="Sample rate of the output, in Hz."
)
@click.option("--dry", is_flag=True, help="Leave out the room of a model with a reverb (preset room).")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the noise.")
@click.option(
    "--tracking-uri", default="", metavar="URI", help="MLflow server or database. [default: MLFLOW_TRACKING_URI]"
)
def command(
    models: tuple[str, ...],
    input_uri: str,
    out_uri: str,
    pitch: str,
    octave: int | None,
    loudness_db: float,
    no_auto: bool,
    rate_hz: int,
    dry: bool,
    seed: int,
    tracking_uri: str,
) -> None:
    """Render a recording with the timbre of a model.

    A model is a training directory, a model directory, or models:/ddsp-string@champion of the registry. It may be
    from anywhere: nothing in it is run, unlike by mlflow.pyfunc.load_model. One model
    writes the sound to FILE, several write theirs to a directory; a page with players and spectrograms, which needs no
    other file, is written beside them.
    """
    from components.transfer.fitting import TransferOptions
    from components.transfer.step import transfer

    options = TransferOptions(octave, loudness_db, not no_auto)
    result = transfer(models, input_uri, out_uri, options, rate_hz, seed, tracking_uri, pitch, dry)
    for sound in result.sounds:
        click.echo(sound.text())
    if result.warning:
        click.echo(f"warning: {result.warning}", err=True)
    speed = result.recording_seconds * len(result.sounds) / sum(sound.seconds for sound in result.sounds)
    click.echo(
        f"{result.recording_seconds:.1f} s of sound, rendered at {speed:.1f} times real time; page: {result.page_uri}"
    )
