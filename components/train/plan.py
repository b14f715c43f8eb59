"""What a training is to be, before it begins. No TensorFlow here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components import storage
from components.artifacts.run_record import RECORD_NAME


@dataclass(frozen=True)
class Plan:
    """A training that is about to start, or to go on.

    Attributes:
        record: Its run.json.
        config: The gin configuration; None for that of the record's synth, preset and bindings.
        out_uri: The training directory.
    """

    record: dict[str, Any]
    config: str | None
    out_uri: str

    @property
    def name(self) -> str:
        """What it is called, "string-harmonic"."""
        return f"{self.record['family']}-{self.record['synth']}"

    def write_record(self) -> None:
        """Writes run.json as it is now."""
        storage.write_json(storage.join(self.out_uri, RECORD_NAME), self.record)
