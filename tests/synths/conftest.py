"""The models that a test of the layers builds have the same weights each time."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def seeded() -> None:
    from components.synths.ddsp_imports import tf

    tf.keras.utils.set_random_seed(4)
