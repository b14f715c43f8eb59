"""Descriptions of versions, runs and registered models for MLflow's pages, in Markdown.

A text that a person has written is never replaced: Luthier's own texts end in an HTML comment, which the page hides.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion

from components.artifacts.model_card import CONFIG_NAME
from components.artifacts.training_dir import LISTENING_DIR, PLAY_NAME, REPORT_NAME
from components.config.gate import LOSS
from components.core.redaction import without_secret
from components.core.text import counted
from components.registry.aliases import CHAMPION, champion_version, model_name, versions_of
from components.registry.tags import DATA_TAG, DATA_URI_TAG, TRAINING_URI_TAG, VERSION_TAG, loss_of, promotion_status
from components.registry.trained_model import TrainedModel

_NOTE_TAG = "mlflow.note.content"  # what MLflow shows as a run's description
_OURS = "<!-- Luthier updates this text. Delete this line to keep a text of your own. -->"
# The same line as earlier releases wrote it.
_OURS_BEFORE = "<!-- Luthier keeps this text up to date. To keep your own, take this line away. -->"
_UNITS = {"_db": ", dB", "_cents": ", cents"}
_MAX_FACT = 300  # characters; MLflow keeps 5,000 of a description
_LINEAGE = (DATA_TAG, DATA_URI_TAG, "git_commit", VERSION_TAG, "image", "pipeline_run", TRAINING_URI_TAG)


def describe(
    client: MlflowClient,
    family: str,
    trainings: Mapping[int, TrainedModel] | None = None,
    lineage: Mapping[str, str] | None = None,
) -> None:
    """Updates the descriptions of a family's versions, of their runs and of its registered model.

    Args:
        client: MLflow.
        family: The family.
        trainings: The trained models of new versions, by version. Other versions keep their text below the status.
        lineage: Tags of the new versions beside those of the trained models.
    """
    name, versions = model_name(family), versions_of(client, family)
    for version in versions:
        training = (trainings or {}).get(int(version.version))
        if "family" not in version.tags:  # others have registered it under the same name
            continue
        body = _without_mark(version.description or "").partition("\n\n")[2].strip()
        if training:
            run = client.get_run(version.run_id)
            body = _of_training(training, run, lineage or {})
            _describe_run(client, run, version, body)
        text = _ours(f"{promotion_status(version.tags) or 'no promotion status yet'}\n\n{body}")
        if _may_replace(version.description, text):
            client.update_model_version(name, version.version, text)
    before, champion = client.get_registered_model(name).description, champion_version(client, family)
    text = _ours(_of_model(family, versions, champion, client.tracking_uri))
    if _may_replace(before, text):
        client.update_registered_model(name, text)


def _ours(text: str) -> str:
    return f"{text.strip()}\n\n{_OURS}"


def _without_mark(text: str) -> str:
    return text.removesuffix(_OURS).removesuffix(_OURS_BEFORE)


def _may_replace(before: str | None, text: str) -> bool:
    return before != text and (not before or before.endswith((_OURS, _OURS_BEFORE)))


def _describe_run(client: MlflowClient, run: Run, version: ModelVersion, body: str) -> None:
    text = _ours(f"Registered as [{version.name}, version {version.version}]({_page(version)}).\n\n{body}")
    if _may_replace(run.data.tags.get(_NOTE_TAG), text):
        client.set_tag(run.info.run_id, _NOTE_TAG, text)


def _of_training(training: TrainedModel, run: Run, lineage: Mapping[str, str]) -> str:
    """Returns a trained model's scores, links to its report and listening samples, and where it comes from."""
    preset = f"preset {training.record.preset}, " if training.record.preset else ""
    page = f"#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
    facts = {**training.tags(), **lineage}
    known = [f"- {name.replace('_', ' ')}: {_code(facts[name])}" for name in _LINEAGE if facts.get(name)]
    parts = (
        f"{training.family.capitalize()}, {training.synth} synth: {preset}{counted(training.card.steps, 'step')}.",
        _scores(training),
        " · ".join(f"[{name}]({page}{path})" for name, path in _links(training)),
        "Lineage:\n\n" + "\n".join(known),
    )
    return "\n\n".join(parts)


def _of_model(family: str, versions: Sequence[ModelVersion], champion: ModelVersion | None, tracking_uri: str) -> str:
    name = model_name(family)
    count = counted(len(versions), "version")
    lines = [f"DDSP instrument, {family}, {count}. It plays any recording's pitch and loudness with its own timbre."]
    if champion is None:
        lines.append("No champion: no version has passed the gate. The description of each version says why.")
    else:
        loss = loss_of(champion.tags)
        score = f", spectral loss {loss:.2f} on the held-out notes" if math.isfinite(loss) else ""
        synth = champion.tags.get("synth", "")
        lines.append(f"Champion: [version {champion.version}]({_page(champion)}), {synth}{score}.")
        uri, registry = f"models:/{name}@{CHAMPION}", f" --tracking-uri {without_secret(tracking_uri)}"
        lines.append(
            f'- load: `mlflow.pyfunc.load_model("{uri}")`\n'
            f"- transfer a recording: `luthier transfer{registry} --model {uri} --input voice.wav --out out/`\n"
            f"- roll back to the champion before: `luthier rollback{registry} --family {family}`"
        )
    return "\n\n".join(lines)


def _scores(training: TrainedModel) -> str:
    """Returns the evaluation's summary as a table."""
    summary = training.evaluation.summary if training.evaluation else {}
    rows = [
        f"| {_title(name)} | {_number(each.mean)} | {_number(each.low)} to {_number(each.high)} "
        f"| {_number(each.median)} | {_number(each.p95)} |"
        for name, each in sorted(summary.items(), key=lambda item: (item[0] != LOSS, item[0]))
    ]
    if training.evaluation is None or not rows:
        return "Not evaluated."
    count = len(training.evaluation.notes)
    head = f"Over {counted(count, 'held-out note')}:\n\n"
    head += "| | mean | 95 % interval of the mean | median | 95th percentile |\n|:--|--:|--:|--:|--:|\n"
    return head + "\n".join(rows)


def _title(name: str) -> str:
    """Returns a number's name and unit in words: "loudness error, dB"."""
    unit = next((end for end in _UNITS if name.endswith(end)), "")
    return name.removesuffix(unit).replace("_", " ") + _UNITS.get(unit, "")


def _number(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, (int, float)) and math.isfinite(value) else "–"


def _links(training: TrainedModel) -> list[tuple[str, str]]:
    """Returns the pages of a run that exist: title and path below the run's page."""
    files = {
        "report": ("evaluation", REPORT_NAME),
        "listening samples": ("evaluation", LISTENING_DIR),
        "page to play": ("evaluation", PLAY_NAME),
        "configuration": ("training", CONFIG_NAME),
    }
    found = [
        (title, f"/artifacts/{parent}/{name}")
        for title, (parent, name) in files.items()
        if (training.directory / name).exists()
    ]
    return [*found, ("curves and metrics", "/model-metrics")]


def _page(version: ModelVersion) -> str:
    return f"#/models/{version.name}/versions/{version.version}"


def _code(text: str) -> str:
    """Returns a value as inline code, in which nothing is Markdown."""
    return "`" + text.replace("`", "'").replace("\n", " ")[:_MAX_FACT] + "`"
