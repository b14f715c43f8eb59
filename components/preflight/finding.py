"""What a check found, in one line, and how checks run: at the same time, each for a limited time."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from components.core.backoff import root_cause
from components.core.errors import InputError, StepError
from components.core.redaction import redact

LIMIT_S = 45.0
"""How long a check may take: longer than one slow answer, shorter than the retries of any client."""

_LONGEST_TEXT = 600
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    """As it should be."""

    WRONG = "wrong"
    """The user or the operator has to change something."""

    SILENT = "no answer"
    """A server did not answer, or not in time; another attempt may succeed."""

    NOTE = "note"
    """Good to know, or something that could not be checked from here. A run may go on."""


@dataclass(frozen=True)
class Finding:
    """One line of a report.

    Attributes:
        check: What was checked: "workspace", "registry", ...
        status: How it ended.
        text: What was found. Parts of it come from servers: it is made one line without control characters.
        advice: What to do; "" where there is nothing to do.
    """

    check: str
    status: Status
    text: str
    advice: str = ""

    def __post_init__(self) -> None:
        for name in ("text", "advice"):
            object.__setattr__(self, name, one_line(getattr(self, name)))

    def to_json(self) -> dict[str, str]:
        """Returns it as a JSON object; "advice" is "" where there is nothing to do."""
        return {"check": self.check, "status": str(self.status), "text": self.text, "advice": self.advice}

    @property
    def failed(self) -> bool:
        """Whether a run would fail."""
        return self.status in (Status.WRONG, Status.SILENT)


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: Of its findings, where it fails or does not end.
        call: Returns the findings. It may raise InputError for what is wrong and StepError for a missing answer.
        limit_s: The longest time that it may take.
    """

    name: str
    call: Callable[[], Iterable[Finding]]
    limit_s: float = LIMIT_S


def one_line(text: str) -> str:
    """Returns text as one line of limited length without control characters and secrets."""
    cleaned = " ".join(_CONTROL.sub(" ", redact(text)).split())
    return cleaned if len(cleaned) <= _LONGEST_TEXT else f"{cleaned[:_LONGEST_TEXT]}…"


def run_checks(checks: Sequence[Check]) -> list[Finding]:
    """Runs checks at the same time and returns their findings, in the order of the checks.

    A check that does not end within its limit is given up; its thread does not keep the process alive.
    """
    running = [_Running(check) for check in checks]
    return [finding for each in running for finding in each.findings()]


def raise_failures(findings: Sequence[Finding]) -> None:
    """Raises one error that names every failed check.

    Raises:
        InputError: Something has to be changed.
        StepError: All that failed is that a server did not answer.
    """
    failed = [finding for finding in findings if finding.failed]
    if not failed:
        return
    text = "; ".join(f"{each.check}: {each.text}" + (f"; {each.advice}" if each.advice else "") for each in failed)
    if any(finding.status is Status.WRONG for finding in failed):
        raise InputError(text)
    raise StepError(text)


class _Running:
    """A check in a thread of its own."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._found: list[Finding] = []
        self._deadline = time.monotonic() + check.limit_s
        self._thread = threading.Thread(target=self._run, name=f"check {check.name}", daemon=True)
        self._thread.start()

    def findings(self) -> list[Finding]:
        """Returns the findings, or one that says that there was no answer in time."""
        self._thread.join(max(0.0, self._deadline - time.monotonic()))
        if self._thread.is_alive():
            return [Finding(self._check.name, Status.SILENT, f"got no answer within {self._check.limit_s:.0f} s")]
        return self._found

    def _run(self) -> None:
        name = self._check.name
        try:
            self._found = list(self._check.call())
        except InputError as error:
            self._found = [Finding(name, Status.WRONG, str(error))]
        except StepError as error:
            self._found = [Finding(name, Status.SILENT, str(error))]
        except Exception as error:  # a server's answer that no reader expects must not end the other checks
            text = f"the check failed: {type(error).__name__}: {root_cause(error)}"
            self._found = [Finding(name, Status.WRONG, text, "if this is not clear, report it with `luthier -v`")]
