"""The result of a preparation: what the output folder holds, and whether an earlier one is still right."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from components import storage
from components.core.errors import InputError
from components.core.fields import Fields
from components.core.text import counted
from components.core.versions import PREPARE_VERSION
from components.nsynth.dataset_info import DATASET_INFO_NAME
from components.nsynth.preparation import SUMMARY_NAME
from components.prepare.splits import SPLITS
from components.prepare.tfds_files import has_all_records
from components.telemetry import log

_LOG = log.get(__name__)


@dataclass(frozen=True)
class PrepareResult:
    """Contents of the output folder.

    Attributes:
        recordings: Number of recordings that were converted.
        records: Notes of four seconds, by split.
        families: Notes of four seconds, by family.
        fingerprint: Identifies the recordings and how they are labelled.
        reused: Whether the same recordings had been prepared before, so that nothing was done.
        advice: Problems found in the recordings, one line each.
        left_out: Recordings, or families of them, that could not be used, one line each.
        passed_over: What else was found in the source, in one line; "" for nothing.
    """

    recordings: int
    records: dict[str, int]
    families: dict[str, int]
    fingerprint: str
    reused: bool
    advice: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    passed_over: str = ""

    def summary(self) -> str:
        """Returns one line, for instance "40 recordings, 40 notes (32 train, 4 valid, 4 test): 10 brass, 30 string"."""
        splits = ", ".join(f"{count} {split}" for split, count in self.records.items())
        families = ", ".join(f"{count} {family}" for family, count in self.families.items())
        reused = ", prepared before" if self.reused else ""
        recordings, notes = counted(self.recordings, "recording"), counted(sum(self.records.values()), "note")
        return f"{recordings}, {notes} ({splits}){reused}: {families}"

    def warnings(self) -> list[str]:
        """Returns all that a user should know, one line each."""
        counted = [f"left out: {len(self.left_out)}, listed here"] if len(self.left_out) > 1 else []
        passed_over = [f"passed over: {self.passed_over}"] if self.passed_over else []
        return [*self.advice, *counted, *(f"left out: {reason}" for reason in self.left_out), *passed_over]

    def write(self, out_uri: str) -> None:
        """Writes the result beside the records, for the next run into the folder."""
        storage.write_json(storage.join(out_uri, SUMMARY_NAME), {**asdict(self), "prepare_version": PREPARE_VERSION})


def earlier_result(out_uri: str, fingerprint: str, overwrite: bool) -> PrepareResult | None:
    """Returns the result of an earlier run into the folder, if it was of the same recordings.

    Raises:
        InputError: It was of other recordings, and `overwrite` is not set.
    """
    if overwrite or not storage.exists(storage.join(out_uri, DATASET_INFO_NAME)):
        return None
    summary_uri = storage.join(out_uri, SUMMARY_NAME)
    summary = storage.read_json(summary_uri) if storage.exists(summary_uri) else {}
    if not isinstance(summary, dict) or summary.get("fingerprint") != fingerprint:
        known = summary if isinstance(summary, dict) else {}
        what = "of an earlier version" if known.get("prepare_version", 1) != PREPARE_VERSION else "of other recordings"
        raise InputError(
            f"'{out_uri}' holds records {what if known else 'of other recordings'}: their fingerprint is "
            f"{known.get('fingerprint', 'unknown')}, expected {fingerprint}; "
            "try another directory, or replace them with `luthier prepare --overwrite`"
        )
    fields = Fields(summary, summary_uri, "the summary of prepared recordings")
    families = fields.required("families")
    records = {split: fields.required("records").whole(split, low=0) for split in SPLITS}
    if not has_all_records(out_uri, records):
        _LOG.warning("'%s' has lost records since it was prepared: preparing again", out_uri)
        return None
    return PrepareResult(
        fields.whole("recordings", low=0),
        records,
        {family: families.whole(family, low=0) for family in families.values},
        fingerprint,
        reused=True,
        advice=list(fields.texts("advice", ())),
        left_out=list(fields.texts("left_out", ())),
        passed_over=fields.text("passed_over", ""),
    )
