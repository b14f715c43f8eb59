"""Gives a family's alias back to the champion before."""

from __future__ import annotations

from datetime import UTC, datetime

from components.core.errors import InputError
from components.nsynth.families import check_family
from components.register.description import describe
from components.register.promotion import ROLLED_BACK
from components.registry.alias_lock import moving
from components.registry.champions import (
    Champion,
    as_champion,
    champion_before,
    current,
    give_back,
    model_name,
    versions_of,
)
from components.registry.connection import connected, open_client


def roll_back(family: str, tracking_uri: str = "", to_version: int | None = None) -> tuple[int, Champion]:
    """Moves the alias `champion` back; the version that loses it does not get it again by being registered again.

    Args:
        family: The family.
        tracking_uri: The registry; "" for what MLFLOW_TRACKING_URI names.
        to_version: The version to go back to; None for the champion before.

    Returns:
        The version that was champion, and the champion now.

    Raises:
        InputError: There is no such family, no champion, none before it, or no such version.
    """
    open_client(tracking_uri)  # there has to be one: `connected` would make it
    check_family(family)
    with connected(tracking_uri, "luthier") as (client, _), moving(client, model_name(family)):
        champion = current(client, family)
        if champion is None:
            raise InputError(f"cannot roll back: {family} has no champion")
        known = {int(version.version): version for version in versions_of(client, family)}
        before = known.get(to_version) if to_version else champion_before(client, champion)
        if before is None:
            wanted = f"there is no version {to_version}" if to_version else "there was no champion before it"
            versions = ", ".join(str(number) for number in sorted(known))
            raise InputError(
                f"cannot roll back {model_name(family)} from version {champion.version}: {wanted}; "
                f"name one of {versions} with --to"
            )
        if int(before.version) == int(champion.version):
            raise InputError(f"cannot roll back: version {champion.version} of {model_name(family)} is champion")
        reason = f"{ROLLED_BACK} to version {before.version} on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
        give_back(client, family, champion, before, reason)
        describe(client, family)
        return int(champion.version), as_champion(before)
