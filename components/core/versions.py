"""Declared versions of what a change of code can mean: new numbers. Cache keys, run records and the registry hold them.

A version is raised when, and only when, the same input gives other numbers. Golden tests hold the numbers: if they
move and the version does not, the test fails and says what to do (tests/train/test_golden.py, tests/prepare/
test_golden.py). A new help text, comment or default of the promotion gate leaves every version as it is: nothing is
trained again, and a stopped training resumes.
"""

from __future__ import annotations

TRAINING_VERSION = 6
"""Of the numbers of a training: models, losses, batches, optimizer. Trainings of another version are not resumed."""

PREPARE_VERSION = 4
"""Of the records that `prepare` writes and of their order in a sorted set."""

EVALUATION_VERSION = 7
"""Of the numbers and files of an evaluation."""

_FINGERPRINTS = {"91b5a029bc21e54a": 1}
"""Before there were versions, records and the registry held a hash of the source code: the hashes that are known."""

UNKNOWN_VERSION = 0
"""Of a training by a release from before there were versions whose numbers are not known to be those of any version."""


def version_of_fingerprint(code_fingerprint: str) -> int:
    """Returns the training version of a hash of the source code that an earlier release wrote; UNKNOWN_VERSION if none.

    Args:
        code_fingerprint: "code_fingerprint" of a run.json or of a registered version.
    """
    return _FINGERPRINTS.get(code_fingerprint, UNKNOWN_VERSION)
