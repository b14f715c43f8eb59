"""Names of a training's Job and labels: the same for the same training, and of a form that Kubernetes takes."""

from __future__ import annotations

import re

from components import storage
from components.core.errors import InputError
from components.core.fingerprint import content_fingerprint

# A DNS label has 63. An Indexed Job's pods have "-<index>" behind the Job's name, and that must be a DNS label as well.
_LONGEST_JOB_NAME = 59
_LONGEST_DERIVED_RUN = 24
_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_LONGEST_LABEL_VALUE = 63


def check_label_value(value: str, what: str) -> str:
    """Returns `value` if it can be a label's; `what` names it in the error, for instance "--run".

    Raises:
        InputError: It is too long, or has characters that a label may not have.
    """
    if len(value) > _LONGEST_LABEL_VALUE:
        raise InputError(
            f"{what} '{value}' is too long for a label: it has {len(value)} characters, expected at most "
            f"{_LONGEST_LABEL_VALUE}"
        )
    if not _LABEL_VALUE.fullmatch(value):
        raise InputError(
            f"{what} '{value}' cannot be a label: expected letters, digits, '-', '_' and '.', with a letter or digit "
            "first and last"
        )
    return value


def job_name(run_id: str, family: str, synth: str) -> str:
    """Returns the name of a training's Job, for instance "luthier-smoke-1a2b-string-harmonic".

    A run id that is too long, or has characters that a name may not have, is shortened and told apart by a hash.
    """
    end = f"{_slug(family)}-{_slug(synth)}"
    run = _slug(run_id)
    if run != run_id or len(f"luthier-{run}-{end}") > _LONGEST_JOB_NAME:
        digest = _digest(run_id, 8)
        room = _LONGEST_JOB_NAME - len(f"luthier--{digest}-{end}")
        run = f"{run[:room].strip('-')}-{digest}".strip("-")
    return f"luthier-{run}-{end}"


def run_id_of(out_uri: str, family: str, synth: str) -> str:
    """Returns the run id of a training that was given none: from the folder's name, and a hash of its whole URI."""
    folder, last = out_uri.rstrip("/").rpartition("/")[0], storage.basename(out_uri)
    name = storage.basename(folder) if last == f"{family}-{synth}" else last
    return f"{_slug(name)[:_LONGEST_DERIVED_RUN].strip('-')}-{_digest(out_uri.rstrip('/'), 6)}".strip("-")


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _digest(text: str, digits: int) -> str:
    return content_fingerprint([text.encode()], digits)
