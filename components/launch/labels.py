"""The labels and annotations of a training's Job and pods, each as a constant, and which values a label may have."""

from __future__ import annotations

import re
from collections.abc import Mapping

from components.core.errors import InputError
from components.kubernetes.client import Object

# Labels of the Job and its pods, by which people, dashboards and network policies select them.

APP_NAME = "app.kubernetes.io/name"
"""What runs: TRAINER."""

APP_PART_OF = "app.kubernetes.io/part-of"
"""The application that it belongs to: LUTHIER."""

APP_COMPONENT = "app.kubernetes.io/component"
"""Its role in the application: TRAINING."""

APP_MANAGED_BY = "app.kubernetes.io/managed-by"
"""Who creates and deletes it: LUTHIER."""

APP_INSTANCE = "app.kubernetes.io/instance"
"""Which one: the name of the Job."""

TRAINER = "luthier-trainer"
LUTHIER = "luthier"
TRAINING = "training"

RUN = "luthier.dev/run"
"""Id of the run that the training belongs to."""

FAMILY = "luthier.dev/family"
"""Instrument family that it trains on."""

SYNTH = "luthier.dev/synth"
"""Synth that it trains."""

DATA_FINGERPRINT = "luthier.dev/data-fingerprint"
"""Fingerprint of the family's records, as in run.json."""

QUEUE = "kueue.x-k8s.io/queue-name"
"""Kueue's: the LocalQueue that a Job waits in. A Job with this label is started and suspended by Kueue."""

PRIORITY_CLASS = "kueue.x-k8s.io/priority-class"
"""Kueue's: the WorkloadPriorityClass by which it orders and preempts the Jobs of its queues."""

# Annotations of the Job.

TRAINING_URI = "luthier.dev/training-uri"
"""The training directory."""

COMMAND_LINE = "luthier.dev/config"
"""The `luthier train` command that the Job runs, for people to read or to run."""

SPEC_HASH = "luthier.dev/spec-hash"
"""Hash of the Job as the launcher wanted it. Equal hashes: the same training, to be adopted and not replaced."""

SUSPENDED_BY = "luthier.dev/suspended-by"
"""Set, to LAUNCHER, where a launcher suspended the Job when it was terminated. The next launcher resumes such a Job;
one without this annotation was suspended by a person and stays so."""

LAUNCHER = "launcher"

FOLLOWED_AT = "luthier.dev/followed-at"
"""When a launcher last followed the Job: RFC 3339 in UTC, "2026-01-31T10:00:00Z". Set when the Job is created, and
renewed every minute. Only a Job that its launcher stops when it is terminated has it; see followed_at."""

FOLLOWED_BY = "luthier.dev/followed-by"
"""Id of the run of Kubeflow Pipelines whose launcher last followed the Job, by which a stop of the run finds its Jobs.
Not a label: a Job of the same training that another run adopts stays the same Job."""

# Labels that Kubernetes sets on the pods of a Job.

CONTROLLER_UID = "batch.kubernetes.io/controller-uid"
"""The uid of the Job that the pod belongs to."""

JOB_NAME = "batch.kubernetes.io/job-name"
"""The name of the Job that the pod belongs to."""

COMPLETION_INDEX = "batch.kubernetes.io/job-completion-index"
"""Index of a pod of an Indexed Job, from 0; older versions set it as an annotation."""

LONGEST_VALUE = 63
_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


def check_value(value: str, option: str) -> str:
    """Returns `value` if a label can have it.

    Args:
        value: The value.
        option: Names it in the error, for instance "--run".

    Raises:
        InputError: It is too long, or has characters that a label value cannot have.
    """
    if len(value) > LONGEST_VALUE:
        raise InputError(
            f"{option} '{value}' is too long for a label: it has {len(value)} characters, expected at most "
            f"{LONGEST_VALUE}"
        )
    if not _VALUE.fullmatch(value):
        raise InputError(
            f"{option} '{value}' cannot be a label: expected letters, digits, '-', '_' and '.', with a letter or digit "
            "first and last"
        )
    return value


def queue_of(job: Object) -> str | None:
    """Returns the Kueue LocalQueue of a Job; None for a Job that Kueue does not manage."""
    labels: Mapping[str, str] = job["metadata"].get("labels") or {}
    return labels.get(QUEUE)


def spec_hash_of(job: Object) -> str | None:
    """Returns the hash of what a Job was created from; None for a Job that no launcher created."""
    annotations: Mapping[str, str] = job["metadata"].get("annotations") or {}
    return annotations.get(SPEC_HASH)


def index_of(pod: Object) -> int:
    """Returns the completion index of a pod of an Indexed Job; 0 for the pods of other Jobs."""
    metadata = pod["metadata"]
    found = (metadata.get("labels") or {}).get(COMPLETION_INDEX)
    return int(found or (metadata.get("annotations") or {}).get(COMPLETION_INDEX) or 0)
