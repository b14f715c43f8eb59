"""A model's directory: the card (model.json), the gin configuration and the weights; found and read without TensorFlow.

The card is written last: it commits the other two and holds their checksums. See synths.instrument.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from components import storage
from components.artifacts.expression import Expression
from components.audio.loudness import LOUDNESS_DEFINITION, WINDOW_SAMPLES
from components.config.catalog import SYNTHS
from components.core.errors import InputError, nearest
from components.core.fields import Fields
from components.nsynth.families import FAMILIES
from components.nsynth.note import FRAME_RATE_HZ, SAMPLE_RATE_HZ
from components.nsynth.note_checks import LOWEST_F0_HZ

CARD_NAME = "model.json"
CONFIG_NAME = "operative_config.gin"
WEIGHTS_NAME = "weights.h5"
MODEL_DIR = "model"
"""The model's directory within a training directory."""

MODEL_FILES: Mapping[str, int] = {CONFIG_NAME: 1 << 20, WEIGHTS_NAME: 2 << 30}
"""The files beside the card, with their largest sizes in bytes."""

LARGEST_CARD_BYTES = 1 << 20
SCHEMA_VERSION = 1
_MOST_QUANTILES = 1001
_HIGHEST_F0_HZ = float(SAMPLE_RATE_HZ)  # of percentiles
_LOWEST_DB, _HIGHEST_DB = -200.0, 100.0


@dataclass(frozen=True)
class Percentiles:
    """How the values of a curve are spread over the frames of the training that sound.

    Attributes:
        p5: 5th percentile.
        median: 50th percentile.
        p95: 95th percentile.
        quantiles: Evenly spaced percentiles from the 0th to the 100th; empty where the card has none.
    """

    p5: float
    median: float
    p95: float
    quantiles: tuple[float, ...] = ()

    @classmethod
    def of(cls, fields: Fields | None, low: float, high: float) -> Percentiles | None:
        """Reads them from a card; None where it has none. They must ascend from `low` to `high`."""
        if fields is None:
            return None
        p5, median, p95 = (fields.number(name, low=low, high=high) for name in ("p5", "median", "p95"))
        quantiles = fields.numbers("quantiles", default=(), low=low, high=high)
        if not p5 <= median <= p95:
            raise fields.wrong("median", f"a number from p5 ({p5:g}) to p95 ({p95:g})")
        if len(quantiles) > _MOST_QUANTILES or len(quantiles) == 1 or any(a > b for a, b in pairwise(quantiles)):
            raise fields.wrong("quantiles", f"2 to {_MOST_QUANTILES} ascending numbers, or none")
        return cls(p5, median, p95, quantiles)

    def as_dict(self) -> dict[str, Any]:
        """Returns them as the card holds them."""
        values: dict[str, Any] = {"p5": self.p5, "median": self.median, "p95": self.p95}
        return values | ({"quantiles": list(self.quantiles)} if self.quantiles else {})


@dataclass(frozen=True)
class ModelCard:
    """What model.json holds.

    Attributes:
        family: Instrument family.
        synth: Synthesizer.
        preset: The preset it was trained with; "" where the card does not say.
        data_fingerprint: Of the family's records in the sorted set; "" where the card does not say.
        steps: Gradient steps behind the weights.
        valid_loss: Their spectral loss on the validation notes; None where there were none.
        num_parameters: Trained numbers.
        sample_rate_hz: Of the audio.
        frame_rate_hz: Of the curves of pitch and loudness.
        loudness_definition: Which loudness the model takes; see audio.loudness. "loudness" in the file.
        f0_hz: Pitch in the training, in Hz; None where the card does not say.
        loudness_db: Loudness in the training, by the loudness definition; None where the card does not say.
        expression: How the instrument was played in the training; None where the card does not say.
        crc32c: Checksums of the other files, base64 of the big-endian CRC32C, by name.
        schema_version: Of the file.
    """

    family: str
    synth: str
    preset: str = ""
    data_fingerprint: str = ""
    steps: int = 0
    valid_loss: float | None = None
    num_parameters: int = 0
    sample_rate_hz: int = SAMPLE_RATE_HZ
    frame_rate_hz: int = FRAME_RATE_HZ
    loudness_definition: str = LOUDNESS_DEFINITION
    f0_hz: Percentiles | None = None
    loudness_db: Percentiles | None = None
    expression: Expression | None = None
    crc32c: dict[str, str] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    @classmethod
    def read(cls, model_uri: str) -> ModelCard:
        """Reads the card of a model directory.

        Raises:
            InputError: There is none, or a field is missing or of a wrong type.
        """
        return cls.parse(read_card_json(model_uri), storage.join(model_uri, CARD_NAME))

    @classmethod
    def parse(cls, values: Any, uri: str) -> ModelCard:
        """Reads a card's content.

        Args:
            values: The JSON value.
            uri: Where it was read, for errors.

        Raises:
            InputError: A field is missing, of a wrong type or out of range; the family or the synth is unknown; or the
                card is of a newer release.
        """
        fields = Fields(values, uri, "a model's card")
        version = fields.whole("schema_version", SCHEMA_VERSION, low=1)
        if version > SCHEMA_VERSION:
            raise fields.wrong("schema_version", f"{SCHEMA_VERSION} or lower; the model is of a newer Luthier: update")
        return cls(
            family=fields.one_of("family", FAMILIES),
            synth=fields.one_of("synth", SYNTHS),
            preset=fields.name("preset", ""),
            data_fingerprint=fields.name("data_fingerprint", ""),
            steps=fields.whole("steps", 0, low=0),
            valid_loss=fields.finite("valid_loss"),
            num_parameters=fields.whole("num_parameters", 0, low=0),
            sample_rate_hz=fields.whole("sample_rate_hz", SAMPLE_RATE_HZ, low=SAMPLE_RATE_HZ, high=SAMPLE_RATE_HZ),
            frame_rate_hz=fields.whole("frame_rate_hz", FRAME_RATE_HZ, low=FRAME_RATE_HZ, high=FRAME_RATE_HZ),
            loudness_definition=_loudness(fields),
            f0_hz=Percentiles.of(fields.object("f0_hz"), LOWEST_F0_HZ, _HIGHEST_F0_HZ),
            loudness_db=Percentiles.of(fields.object("loudness_db"), _LOWEST_DB, _HIGHEST_DB),
            expression=Expression.of(fields.object("expression")),
            crc32c=_checksums(fields),
        )

    def as_dict(self) -> dict[str, Any]:
        """Returns the card as the file holds it."""
        ranges = {"f0_hz": self.f0_hz, "loudness_db": self.loudness_db, "expression": self.expression}
        return {
            "schema_version": self.schema_version,
            "family": self.family,
            "synth": self.synth,
            "preset": self.preset,
            "data_fingerprint": self.data_fingerprint,
            "steps": self.steps,
            "valid_loss": self.valid_loss,
            "num_parameters": self.num_parameters,
            "sample_rate_hz": self.sample_rate_hz,
            "frame_rate_hz": self.frame_rate_hz,
            "loudness": self.loudness_definition,
            **{name: value.as_dict() for name, value in ranges.items() if value},
            "crc32c": self.crc32c,
        }


def _loudness(fields: Fields) -> str:
    found = fields.name("loudness", LOUDNESS_DEFINITION)
    if found not in WINDOW_SAMPLES:
        raise fields.wrong("loudness", f"{' or '.join(WINDOW_SAMPLES)}; the model may be of a newer Luthier: update")
    return found


def _checksums(fields: Fields) -> dict[str, str]:
    found = fields.text_map("crc32c")
    if not found.keys() <= MODEL_FILES.keys():
        raise fields.wrong("crc32c", f"checksums of {' and '.join(MODEL_FILES)}")
    return found


def read_card_json(model_uri: str) -> Any:
    """Returns the JSON value in the card of a model directory; InputError where there is none, or it is too large."""
    return storage.read_json(storage.join(model_uri, CARD_NAME), LARGEST_CARD_BYTES)


def local_copy(model_uri: str, directory: Path) -> Path:
    """Copies a model into a local directory: its card, and the files that the card names, and no other.

    Args:
        model_uri: The model directory; untrusted.
        directory: The local directory, which is returned.

    Raises:
        InputError: The card is refused, or a file is missing or too large.
    """
    storage.download(storage.join(model_uri, CARD_NAME), directory, CARD_NAME, LARGEST_CARD_BYTES)
    card = ModelCard.parse(read_card_json(str(directory)), storage.join(model_uri, CARD_NAME))
    for name in card.crc32c:
        storage.download(storage.join(model_uri, name), directory, name, MODEL_FILES[name])
    return directory


def find_model(uri: str) -> str:
    """Returns the URI of a model's directory.

    Args:
        uri: The directory itself, or the training directory around it; local or gs://.

    Raises:
        InputError: There is no model. It names what is there instead, and models whose names are near.
    """
    if uri.startswith("models:"):
        raise InputError(
            f"'{uri}' is a name in the registry, which this command does not look up: expected a model directory or a "
            "training directory; the version's page in MLflow names that of its training"
        )
    for model_uri in (uri, storage.join(uri, MODEL_DIR)):
        if storage.exists(storage.join(model_uri, CARD_NAME)):
            return model_uri
    names, models = _listing(uri)
    raise InputError(
        f"there is no model at '{uri}': got {', '.join(names[:8]) or 'nothing'}, expected {CARD_NAME}, {CONFIG_NAME} "
        f"and {WEIGHTS_NAME}, there or in {MODEL_DIR}/; {_suggestion(uri, models)}"
    )


def _suggestion(uri: str, models: list[str]) -> str:
    if models:
        return f"models are in it: {', '.join(models[:8])}"
    name = storage.basename(uri)
    parent_uri = uri.rstrip("/").removesuffix(name).rstrip("/") if storage.is_remote(uri) else str(Path(uri).parent)
    siblings = _listing(parent_uri)[1] if parent_uri != "gs:" else []
    return f"beside it, {nearest(name, siblings)}" if siblings else "try a training that has finished"


def _listing(uri: str) -> tuple[list[str], list[str]]:
    """Returns the names of what is directly in a directory, and of those the ones that are models."""
    if storage.is_remote(uri):
        found = [info.name for info in storage.list_objects(uri)]
    else:
        patterns = ("*", f"*/{CARD_NAME}", f"*/{MODEL_DIR}/{CARD_NAME}")  # not all below it: it may be any directory
        found = [path.relative_to(uri).as_posix() for pattern in patterns for path in Path(uri).glob(pattern)]
    parts = [name.split("/") for name in found]
    models = {first for first, *rest in parts if rest in ([CARD_NAME], [MODEL_DIR, CARD_NAME])}
    return sorted({first for first, *_ in parts}), sorted(models)
