"""`luthier prepare`."""

from __future__ import annotations

import click


@click.command("prepare")
@click.argument("recordings", nargs=-1, required=True, metavar="RECORDINGS...")
@click.option("--out", required=True, metavar="URI", help="Folder of the records.")
@click.option("--family", metavar="NAME", help="The instrument family of all the recordings.")
@click.option("--overwrite", is_flag=True, help="Replace the records of other recordings.")
def command(recordings: tuple[str, ...], out: str, family: str | None, overwrite: bool) -> None:
    """Makes records of recordings: wav, flac, ogg or mp3 files, or folders of them.

    Any rate, channels and length: what is longer than 4 s is cut into notes of 4 s. Without --family, a recording's
    family is in its name (string_acoustic_948-060-075.flac) or is the name of its folder (string/take 1.wav).
    """
    from components.prepare import step

    result = step.prepare(recordings, out, family, overwrite)
    click.echo(f"{result.summary()}: {out} (fingerprint {result.fingerprint})")
