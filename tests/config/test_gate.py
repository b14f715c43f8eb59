"""The limits and the margin of the promotion gate, from gate.gin and bindings."""

from __future__ import annotations

import gin
import pytest

from components.config import settings  # noqa: F401 (it registers `train`)
from components.config.bindings import gate_of
from components.config.catalog import GATE_GIN
from components.config.gate import Gate
from components.core.errors import InputError


def test_gate_gin_holds_the_defaults():
    assert gate_of() == Gate()
    assert GATE_GIN.read_text().count("gate.") == len(Gate.__dataclass_fields__)


def test_the_last_binding_applies_and_gin_stays_as_it_is():
    gin.parse_config("train.max_steps = 7")
    try:
        assert gate_of(["gate.margin = 0.5", "gate.margin = 0"]) == Gate(margin=0)
        assert gin.query_parameter("train.max_steps") == 7
    finally:
        gin.clear_config()


@pytest.mark.parametrize(
    ("binding", "message"),
    [
        ("gate.margin = -1", "gate.margin is -1: expected a number from 0 to 1,000,000,000"),
        ("gate.margin = True", "gate.margin is True: expected a number"),
        ("gate.margin = 'much'", "gate.margin is 'much'"),
        ("gate.magrin = 0.1", "gate has no parameter 'magrin'; did you mean 'margin'"),
        ("gate.margin = @os.getpid()", "got the reference @os.getpid"),
        ("train.max_steps = 3", "the gate has no 'train.max_steps'"),
    ],
)
def test_any_other_binding_is_refused(binding, message):
    with pytest.raises(InputError, match=message):
        gate_of([binding])
