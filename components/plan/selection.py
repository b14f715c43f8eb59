"""Which families a retraining is for, and what it begins with: what the registry has of the same data is not redone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion

from components import storage
from components.core.versions import TRAINING_VERSION
from components.nsynth.sorted_set import SortedSet
from components.registry import champions, connection
from components.registry.tags import CONFIG_TAG, DATA_TAG, TRAINING_TAG, VERSION_TAG, config_fingerprint
from components.telemetry import log

_LOG = log.get(__name__)


@dataclass(frozen=True)
class Selection:
    """What to train.

    Attributes:
        families: Those whose data, settings or code are new to the registry.
        warm_starts: For "<family>-<synth>", the training whose weights to begin with; none for those without.
        others_uri: A sorted set with other families, whose notes the models play too; "" where there is none.
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
        tracking_uri: The registry; "" for what MLFLOW_TRACKING_URI names.

    Raises:
        InputError: There is no sorted set, or the registry cannot be used.
    """
    data, client = SortedSet.open(data_uri), connection.open_client_if_there(tracking_uri)
    if client is None:
        return Selection(list(families))
    wanted = {CONFIG_TAG: config_fingerprint(preset, bindings), VERSION_TAG: str(TRAINING_VERSION)}
    selected, warm_starts = [], dict[str, str]()
    for family in families:
        versions = champions.versions_of(client, family)
        of_data = {**wanted, "data_fingerprint": data.family_fingerprint(family)}
        known = {version.tags.get("synth") for version in versions if of_data.items() <= version.tags.items()}
        if set(synths) <= known:
            _LOG.info("%s: nothing new, its models are registered", family)
            continue
        selected.append(family)
        champion, fingerprint = champions.current(client, family), of_data["data_fingerprint"]
        older = [version for version in versions if version.tags.get("data_fingerprint") != fingerprint]
        for synth in synths:
            best = _best(older, synth, wanted[CONFIG_TAG], champion)
            if best:
                warm_starts[f"{family}-{synth}"] = best.tags[TRAINING_TAG]
    others_uri = _another_set(client, {*families, *data.present("train")})
    return Selection(selected, warm_starts, others_uri)


def _best(
    versions: Sequence[ModelVersion], synth: str, config: str, champion: ModelVersion | None
) -> ModelVersion | None:
    """Returns the champion if it is of this synth and these settings, else the newest that is; None for none."""
    alike = [each for each in versions if each.tags.get("synth") == synth and each.tags.get(CONFIG_TAG) == config]
    there = [each for each in alike if storage.exists(storage.join(each.tags.get(TRAINING_TAG, "."), "run.json"))]
    crowned = champion.version if champion else None
    return max(there, key=lambda each: (each.version == crowned, int(each.version)), default=None)


def _another_set(client: MlflowClient, families: set[str]) -> str:
    """Returns the sorted set of the newest version of another family whose set is still there."""
    versions = [each for each in client.search_model_versions("name LIKE 'ddsp-%'") if DATA_TAG in each.tags]
    for version in sorted(versions, key=lambda each: int(each.creation_timestamp), reverse=True):
        uri: str = version.tags[DATA_TAG]
        if version.tags.get("family") not in families and storage.exists(storage.join(uri, "train", "manifest.json")):
            return uri
    return ""
