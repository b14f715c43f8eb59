"""`luthier prepare`."""

from __future__ import annotations

import click


@click.command("prepare")
@click.argument("recordings", nargs=-1, required=True, metavar="RECORDINGS...")
@click.option("--out", metavar="URI", help="Output directory for the records.")
@click.option("--family", metavar="NAME", help="The instrument family of all the recordings.")
@click.option("--check", "only_check", is_flag=True, help="Check the recordings only; write nothing.")
@click.option("--overwrite", is_flag=True, help="Replace the records of other recordings.")
def command(
    recordings: tuple[str, ...], out: str | None, family: str | None, only_check: bool, overwrite: bool
) -> None:
    """Convert recordings to records in the format of the data set.

    RECORDINGS are wav, flac, ogg or mp3 files, or directories of them, of any sampling rate, number of channels and
    length. A recording longer than 4 s is cut into notes of 4 s. Without --family, the family is taken from the
    file name (string_acoustic_948-060-075.flac) or the directory (string/take 1.wav).
    """
    from components.prepare import step

    if only_check:
        problems = step.check(recordings, family)
        click.echo("\n".join(problems) or "no problems found")
        return
    if not out:
        raise click.UsageError("got neither --out nor --check: expected one of them")
    result = step.prepare(recordings, out, family, overwrite)
    for line in result.advice:
        click.echo(f"warning: {line}", err=True)
    click.echo(f"{result.summary()}: {out} (fingerprint {result.fingerprint})")
