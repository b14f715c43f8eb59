"""The fuzz target on some mutants. For longer: python -m tests.artifacts.fuzz_files --seconds 3600 --seed 7."""

from tests.artifacts.fuzz_files import TARGETS, fuzz


def test_mutated_files_are_refused_in_one_line_and_nothing_else_happens():
    met = fuzz(seed=1, mutants=800)
    assert met["mutants"] == 800
    for kind in TARGETS:
        assert met[f"{kind} refused"] > 0 or kind == "metrics", met
        assert met[f"{kind} accepted"] > 0, met
