"""What a run asks for, from the parameters of the pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.config.catalog import SYNTHS
from components.launch.request import Placement
from components.nsynth.source_fingerprints import EVERY_FAMILY, source_fingerprints

_ANY_FAMILY = "string"


@dataclass(frozen=True)
class Wanted:
    """The parameters of a run that checks need, and all of them; see `pipelines.train_instruments`."""

    source: str
    workspace: str
    families: tuple[str, ...]
    synths: tuple[str, ...]
    preset: str
    bindings: tuple[str, ...]
    tracking_uri: str
    gpus: str
    queue: str
    priority_class: str
    arguments: Mapping[str, Any]

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Wanted:
        """Returns the parameters of a run.

        Args:
            arguments: The pipeline's parameters, all of them.
        """
        return cls(
            source=arguments["source"],
            workspace=arguments["workspace"] or "",
            families=tuple(arguments["families"]),
            synths=tuple(arguments["synths"]) or SYNTHS,
            preset=arguments["preset"],
            bindings=tuple(arguments["bindings"]),
            tracking_uri=arguments["tracking_uri"],
            gpus=arguments["gpus"],
            queue=arguments["queue"],
            priority_class=arguments["priority_class"],
            arguments=arguments,
        )

    @property
    def placement(self) -> Placement:
        """On what the Jobs run."""
        return Placement.of_form(self.gpus, self.queue, self.priority_class)

    @property
    def any_family(self) -> str:
        """One of the families."""
        return self.families[0] if self.families else _ANY_FAMILY

    def number_of_families(self) -> int:
        """Returns how many families the run trains; of records of every family, 1: how many they have is not known.

        Raises:
            InputError, StepError: See `source_fingerprints`.
        """
        if self.families:
            return len(self.families)
        found = source_fingerprints(self.source)
        return 1 if EVERY_FAMILY in found else len(found)
