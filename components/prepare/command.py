"""`luthier prepare`."""

from __future__ import annotations

import click


@click.command("prepare")
@click.argument("recordings", nargs=-1, required=True, metavar="RECORDINGS...")
@click.option("--out", metavar="URI", help="Folder of the records.")
@click.option("--family", metavar="NAME", help="The instrument family of all the recordings.")
@click.option("--check", "only_check", is_flag=True, help="Look the recordings over, and make nothing of them.")
@click.option("--overwrite", is_flag=True, help="Replace the records of other recordings.")
def command(
    recordings: tuple[str, ...], out: str | None, family: str | None, only_check: bool, overwrite: bool
) -> None:
    """Convert recordings to records in the format of the data set.

    RECORDINGS are wav, flac, ogg or mp3 files, or directories of them, of any sampling rate, number of channels and
    length. What is longer than 4 s is cut into notes of 4 s. Without --family, a recording's family is in its name
    (string_acoustic_948-060-075.flac) or is the name of its directory (string/take 1.wav).
    """
    from components.prepare import step

    if only_check:
        advice = step.check(recordings, family)
        click.echo("\n".join(advice) or "no problems found")
        return
    if not out:
        raise click.UsageError("expected --out, or --check")
    result = step.prepare(recordings, out, family, overwrite)
    for line in result.advice:
        click.echo(f"note: {line}", err=True)
    click.echo(f"{result.summary()}: {out} (fingerprint {result.fingerprint})")
