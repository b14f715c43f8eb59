"""The fuzz target on some mutants. For longer: python -m tests.nsynth.fuzz_shards --seconds 600 --seed 7."""

from tests.nsynth.fuzz_shards import fuzz


def test_mutated_shards_are_never_mislabelled_nor_lost():
    met = fuzz(seed=1, mutants=120)
    assert met["mutants"] == 120
    assert min(met["originals"], met["whole"], met["new by TensorFlow too"], met["refused by TensorFlow too"]) > 0
