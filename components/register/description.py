"""What MLflow's pages say about a version and a registered model: text in Markdown, made from what is known anyway.

A text that somebody wrote by hand is left alone: those of Luthier end in a remark, which nobody sees but who edits it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion

from components.config.gate import LOSS
from components.registry import champions
from components.registry.tags import LOSS_TAG, STANDING_TAG
from components.registry.training import Training

_NOTE_TAG = "mlflow.note.content"  # what MLflow shows as a run's description
_OURS = "<!-- Luthier keeps this text up to date. To keep your own, take this line away. -->"
_UNITS = {"_db": ", dB", "_cents": ", cents"}
_LONGEST = 300  # of one fact; MLflow keeps 5,000 characters of a description
_LINEAGE = ("data_fingerprint", "data_uri", "git_commit", "training_version", "image", "pipeline_run", "training_uri")


def describe(
    client: MlflowClient,
    family: str,
    trainings: Mapping[int, Training] | None = None,
    lineage: Mapping[str, str] | None = None,
) -> None:
    """Brings the descriptions of a family's versions, of their runs and of its registered model up to date.

    Args:
        client: MLflow.
        family: The family.
        trainings: What new versions were made from. The others keep what they have, below their standing.
        lineage: Tags of the new ones beside those of the trainings themselves.
    """
    name, versions = champions.model_name(family), champions.versions_of(client, family)
    for version in versions:
        training = (trainings or {}).get(int(version.version))
        body = (version.description or "").partition("\n\n")[2].removesuffix(_OURS).strip()
        if training:
            run = client.get_run(version.run_id)
            body = _of_training(training, run, lineage or {})
            _describe_run(client, run, version, body)
        text = _ours(f"{version.tags.get(STANDING_TAG, 'not judged yet')}\n\n{body}")
        if _may_replace(version.description, text):
            client.update_model_version(name, version.version, text)
    before, champion = client.get_registered_model(name).description, champions.current(client, family)
    text = _ours(_of_model(family, versions, champion))
    if _may_replace(before, text):
        client.update_registered_model(name, text)


def _ours(text: str) -> str:
    return f"{text.strip()}\n\n{_OURS}"


def _may_replace(before: str | None, text: str) -> bool:
    return before != text and (not before or before.endswith(_OURS))


def _describe_run(client: MlflowClient, run: Run, version: ModelVersion, body: str) -> None:
    text = _ours(f"Registered as [{version.name}, version {version.version}]({_page(version)}).\n\n{body}")
    if _may_replace(run.data.tags.get(_NOTE_TAG), text):
        client.set_tag(run.info.run_id, _NOTE_TAG, text)


def _of_training(training: Training, run: Run, lineage: Mapping[str, str]) -> str:
    """Returns a training's numbers, where its report and sounds are, and where it comes from."""
    preset = f"preset {training.record.preset}, " if training.record.preset else ""
    home = f"#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
    facts = {**training.tags(), **lineage}
    known = [f"- {name.replace('_', ' ')}: {_code(facts[name])}" for name in _LINEAGE if facts.get(name)]
    parts = (
        f"{training.family.capitalize()}, {training.synth} synth: {preset}{training.steps:,} steps.",
        _numbers(training),
        " · ".join(f"[{name}]({home}{path})" for name, path in _places(training)),
        "Where it comes from:\n\n" + "\n".join(known),
    )
    return "\n\n".join(parts)


def _of_model(family: str, versions: Sequence[ModelVersion], champion: ModelVersion | None) -> str:
    name = champions.model_name(family)
    count = f"{len(versions)} {'version' if len(versions) == 1 else 'versions'}"
    lines = [f"DDSP instrument, {family}, {count}. It plays the pitch and the loudness of any sound."]
    if champion is None:
        lines.append("No champion: no version has passed the gate. Each says why.")
    else:
        loss = champion.tags.get(LOSS_TAG)
        told = f", spectral loss {float(loss):.2f} on the held-out notes" if loss else ""
        synth = champion.tags.get("synth", "")
        lines.append(f"Champion: [version {champion.version}]({_page(champion)}), {synth}{told}.")
        uri = f"models:/{name}@{champions.CHAMPION}"
        lines.append(
            f'- play: `mlflow.pyfunc.load_model("{uri}")`\n'
            f"- any recording: `luthier transfer --model {uri} --input voice.wav --out out/`\n"
            f"- the champion before, again: `luthier rollback --family {family}`"
        )
    return "\n\n".join(lines)


def _numbers(training: Training) -> str:
    """Returns the evaluation's summary as a table."""
    rows = [
        f"| {_title(name)} | {_number(each.get('mean'))} | {_number(each.get('low'))} to {_number(each.get('high'))} "
        f"| {_number(each.get('median'))} | {_number(each.get('p95'))} |"
        for name, each in sorted(training.summary().items(), key=lambda item: (item[0] != LOSS, item[0]))
    ]
    if not rows:
        return "It was not evaluated."
    count = training.notes_played()
    head = f"Over {count} held-out {'note' if count == 1 else 'notes'}:\n\n"
    head += "| | mean | its 95 % interval | median | 95 % of the notes below |\n|:--|--:|--:|--:|--:|\n"
    return head + "\n".join(rows)


def _title(name: str) -> str:
    """Returns a number's name and unit in words: "loudness error, dB"."""
    unit = next((end for end in _UNITS if name.endswith(end)), "")
    return name.removesuffix(unit).replace("_", " ") + _UNITS.get(unit, "")


def _number(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, (int, float)) else "–"


def _places(training: Training) -> list[tuple[str, str]]:
    artifacts = {
        "report": ("report.html", "/artifacts/evaluation/report.html"),
        "sounds": ("listening", "/artifacts/evaluation/listening"),
        "configuration": ("operative_config.gin", "/artifacts/training/operative_config.gin"),
    }
    there = [(name, path) for name, (file, path) in artifacts.items() if (training.folder / file).exists()]
    return [*there, ("curves and metrics", "/model-metrics")]


def _page(version: ModelVersion) -> str:
    return f"#/models/{version.name}/versions/{version.version}"


def _code(text: str) -> str:
    """Returns a value as code: nothing in it is Markdown."""
    return "`" + text.replace("`", "'").replace("\n", " ")[:_LONGEST] + "`"
