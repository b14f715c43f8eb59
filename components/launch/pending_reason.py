"""What keeps a training from running, in words: what a pod waits for, or what the cluster holds against a Job."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Hindrance:
    """What keeps a training from running.

    Attributes:
        text: In words.
        is_hopeless: Waiting alone does not help: somebody has to change something.
    """

    text: str
    is_hopeless: bool = False
