"""Selects what a run trains: the families that are new to the registry, and the weights that they begin with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from components import storage
from components.artifacts.training_dir import TrainingDir, training_name
from components.core.errors import InputError
from components.nsynth.manifest import MANIFEST_NAME
from components.nsynth.sorted_set import SortedSet
from components.plan.changes import TrainingKey, reason_to_train
from components.registry.aliases import ALL_FAMILIES, champion_version, versions_of
from components.registry.client import open_client_if_exists
from components.registry.tags import Provenance, settings_fingerprint
from components.telemetry import log

_LOG = log.get(__name__)


@dataclass(frozen=True)
class Selection:
    """What to train.

    Attributes:
        families: Those whose data, settings or training version are new to the registry.
        warm_starts: For "<family>-<synth>", the training whose weights to begin with; none for those without.
        others_uri: A sorted set with other families, whose notes the models resynthesise too; "" where there is none.
    """

    families: list[str]
    warm_starts: dict[str, str] = field(default_factory=dict)
    others_uri: str = ""


def select(
    data_uri: str,
    families: Sequence[str],
    synths: Sequence[str],
    preset: str,
    bindings: Sequence[str],
    tracking_uri: str = "",
) -> Selection:
    """Compares a sorted set with what is registered.

    Args:
        data_uri: The sorted set.
        families: The families that it was sorted for.
        synths: The synthesizers to train.
        preset: Their preset.
        bindings: Gin bindings of the training.
        tracking_uri: MLflow; "" for the value of MLFLOW_TRACKING_URI.

    Raises:
        InputError: There is no sorted set, or the registry cannot be used.
    """
    data, client = SortedSet.open(data_uri), open_client_if_exists(tracking_uri)
    if client is None:
        return Selection(list(families))
    settings = settings_fingerprint(preset, bindings)
    selected, warm_starts = [], dict[str, str]()
    for family in families:
        versions = versions_of(client, family)
        key = TrainingKey(family, settings, data_fingerprint=data.family_fingerprint(family))
        reason = reason_to_train([Provenance.of(version.tags) for version in versions], key, synths)
        if not reason:
            _LOG.info("%s: nothing new, its models are registered", family)
            continue
        _LOG.info("%s: %s", family, reason)
        selected.append(family)
        champion = champion_version(client, family)
        for synth in synths:
            if training_uri := _warm_start(versions, key, synth, champion):
                warm_starts[training_name(family, synth)] = training_uri
    return Selection(selected, warm_starts, _other_families_uri(client, {*families, *data.present("train")}))


def _warm_start(versions: Sequence[ModelVersion], key: TrainingKey, synth: str, champion: ModelVersion | None) -> str:
    """Returns the training to begin with, on other data but of this synth and these settings; "" for none.

    The champion goes before others, a newer version before an older one. A training whose files are gone is left out.
    """
    candidates = []
    for version in versions:
        found = Provenance.of(version.tags)
        same = found.synth == synth and found.settings_fingerprint == key.settings_fingerprint
        if same and not key.has_data_of(found) and _exists(found.training_uri):
            is_champion = champion is not None and version.version == champion.version
            candidates.append((is_champion, int(version.version), found.training_uri))
    return max(candidates, default=(False, 0, ""))[2]


def _exists(training_uri: str) -> bool:
    return bool(training_uri) and _is_there(TrainingDir(training_uri).record_uri)


def _is_sorted_set(data_uri: str) -> bool:
    return _is_there(storage.join(data_uri, "train", MANIFEST_NAME))


def _is_there(uri: str) -> bool:
    """Tells whether an object of an earlier run can be read; its address is a tag, which others may have written."""
    try:
        return storage.exists(uri)
    except InputError:  # another scheme, or a bucket that this user may not read
        return False


def _other_families_uri(client: MlflowClient, families: set[str]) -> str:
    """Returns the sorted set of the newest version of another family whose set still exists; "" for none."""
    versions = client.search_model_versions(ALL_FAMILIES)
    for version in sorted(versions, key=lambda each: int(each.creation_timestamp), reverse=True):
        found = Provenance.of(version.tags)
        if found.family not in families and found.data_uri and _is_sorted_set(found.data_uri):
            return found.data_uri
    return ""
