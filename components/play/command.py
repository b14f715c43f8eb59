"""`luthier play`."""

from __future__ import annotations

import click


@click.command()
@click.argument("midi", metavar="FILE.mid")
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="URI",
    help="A model for all parts; or repeat it, one for each part.",
)
@click.option(
    "--part",
    "parts",
    multiple=True,
    metavar="NUMBER=URI",
    help="The model of one part, counted from 1; NUMBER=none leaves the part out. Repeat it for more.",
)
@click.option("--out", "out_uri", required=True, metavar="FILE", help="A .wav, .flac or .ogg file, in stereo.")
@click.option(
    "--out-of-range",
    type=click.Choice(["transpose", "play"]),
    default="transpose",
    show_default=True,
    help="Move notes that the model was not trained on by octaves, or play them as they are.",
)
@click.option(
    "--loudness",
    "loudness_lufs",
    type=float,
    default=-18.0,
    metavar="LUFS",
    show_default=True,
    help="Loudness of the sound, where its peaks allow it.",
)
@click.option(
    "--rate", "rate_hz", type=int, default=16_000, show_default=True, help="Sample rate of the output, in Hz."
)
@click.option("--dry", is_flag=True, help="Leave out the room of a model with a reverb (preset room).")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the noise.")
@click.option(
    "--tracking-uri", default="", metavar="URI", help="MLflow server or database. [default: MLFLOW_TRACKING_URI]"
)
def command(
    midi: str,
    models: tuple[str, ...],
    parts: tuple[str, ...],
    out_uri: str,
    out_of_range: str,
    loudness_lufs: float,
    rate_hz: int,
    dry: bool,
    seed: int,
    tracking_uri: str,
) -> None:
    """Play a MIDI file with models as its instruments.

    A part is what one channel plays in one track; parts are counted from 1 in the order of the file. Notes that overlap
    sound together. A model is a training directory, a model directory, or models:/ddsp-string@champion of the registry.
    It may be from anywhere: nothing in it is run.
    """
    from components.play.step import play

    result = play(midi, out_uri, models, parts, out_of_range, loudness_lufs, rate_hz, seed, tracking_uri, dry)
    for part in result.parts:
        click.echo(part.text())
    speed = result.seconds / result.took_s
    click.echo(f"{out_uri}: {result.seconds:.1f} s of sound, rendered at {speed:.1f} times real time")
