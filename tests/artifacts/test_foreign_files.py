"""A card and an evaluation with what no release writes: refused in one line, before anything is made of them."""

from __future__ import annotations

import json

import pytest

from components.artifacts import evaluation
from components.artifacts.model_card import ModelCard, find_model
from components.core.errors import InputError
from tests.artifacts.samples import CARD, EVALUATION


def test_a_loudness_that_is_not_known_is_refused():
    for loudness in ("ddsp-3.7", "ddsp-3.7-power"):
        assert ModelCard.parse(CARD | {"loudness": loudness}, "here").loudness_definition == loudness
    with pytest.raises(InputError, match=r"'loudness' is 'ddsp-9', expected ddsp-3\.7 or ddsp-3\.7-power; .* update"):
        ModelCard.parse(CARD | {"loudness": "ddsp-9"}, "here")


def test_a_name_in_the_registry_is_not_taken_for_a_directory():
    with pytest.raises(InputError, match=r"'models:/.*' is a name in the registry.*expected a model directory"):
        find_model("models:/ddsp-string@champion")


@pytest.mark.parametrize("name", ["<img src=x>", "a|b", "a b", "", "x" * 65])
def test_names_of_scores_hold_no_markup(tmp_path, name):
    summary = {name: EVALUATION["summary"]["spectral_loss"], **EVALUATION["summary"]}
    (tmp_path / "evaluation.json").write_text(json.dumps(EVALUATION | {"summary": summary}))
    with pytest.raises(InputError, match=r"in 'summary': it has .* not allowed there; evaluate again"):
        evaluation.read(str(tmp_path))
