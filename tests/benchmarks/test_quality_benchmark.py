"""The independent judge of benchmarks.quality, on sounds whose answer is known, and its tables."""

import dataclasses

import numpy as np
import pytest

from benchmarks.quality import champions, steady, table
from benchmarks.quality.arrays import SCORED, Judge, Played, Verdict, read_known, write_known
from benchmarks.quality.judge import RATE_HZ, Heard, Judged, judge
from benchmarks.quality.trainings import DDSP, OURS, Case, Trainings
from components.artifacts.scores import Numbers
from components.core.versions import EVALUATION_VERSION

SECONDS = np.arange(RATE_HZ) / RATE_HZ


def tone(f0_hz, harmonics=8, seconds=SECONDS):
    return sum(0.1 / k * np.sin(2 * np.pi * f0_hz * k * seconds) for k in range(1, harmonics + 1)).astype(np.float32)


@pytest.fixture(scope="module")
def recording():
    return tone(220.0)


@pytest.fixture(scope="module")
def heard(recording):
    return Heard.of(recording)


def test_a_copy_has_no_distance(recording, heard):
    found = judge(recording, recording, heard)
    assert (found.log_mel_db, found.mfcc, found.loudness_error_db, found.level_bias_db) == (0, 0, 0, 0)
    assert (found.pitch_error_cents, found.pitch_within_share) == (0, 1)


def test_quieter_and_out_of_tune(recording, heard):
    found = judge(recording, 0.5 * tone(220.0 * 2 ** (1 / 12)), heard)
    assert found.level_bias_db == pytest.approx(-6.0, abs=0.5)
    assert found.pitch_error_cents == pytest.approx(100, abs=5)
    assert found.pitch_within_share == 0
    silent = judge(recording, np.zeros_like(recording), heard)
    assert (silent.pitch_error_cents, silent.pitch_within_share) == (None, 0)
    assert silent.level_bias_db < -60


def test_aliasing_lies_between_the_partials():
    seconds = np.arange(2 * RATE_HZ) / RATE_HZ
    clean = tone(1046.5, harmonics=7, seconds=seconds)
    assert steady.inharmonic_db(clean, 1046.5) < -80
    folded = clean + 0.01 * tone(RATE_HZ - 9 * 1046.5, harmonics=1, seconds=seconds)
    assert steady.inharmonic_db(folded, 1046.5) == pytest.approx(-41.8, abs=0.5)


def test_wobble_is_the_range_of_the_level():
    seconds = np.arange(2 * RATE_HZ) / RATE_HZ
    steadily = tone(262.0, seconds=seconds)
    assert steady.wobble_db(steadily) < 0.1
    assert steady.wobble_db(steadily * (1 + 0.5 * np.sin(2 * np.pi * 2 * seconds))) == pytest.approx(9.5, abs=1)


def test_what_was_judged_is_not_judged_again(tmp_path, recording, monkeypatch):
    played = Played(
        ids=["note"],
        recordings=recording[None],
        played=0.5 * recording[None],
        tones=np.tile(recording, (len(steady.PITCHES), 2)),
        sounds=np.tile(recording, (len(steady.PITCHES), 2)),
        silence=np.zeros(RATE_HZ, np.float32),
    )
    path = tmp_path / "played.npz"
    played.write(path)
    write_known(path, SCORED, EVALUATION_VERSION, {"notes": [{"loudness_error_db": 6.0}]})
    first = Judge().verdict(path)
    assert first.steady.silence_db == -120
    assert first.product == [{"loudness_error_db": 6.0}]
    assert read_known(path, SCORED, EVALUATION_VERSION + 1) is None  # by another version
    monkeypatch.setattr(Heard, "of", lambda audio: 1 / 0)
    assert Judge().verdict(path) == first
    dataclasses.replace(played, played=recording[None]).write(path)
    assert read_known(path, SCORED, EVALUATION_VERSION) is None  # of other sounds


def note(distance):
    return Judged(distance, 10 * distance, 3.0, -1.0, 5.0, 1.0)


def test_the_table_says_who_is_ahead_and_the_agreement_who_agrees():
    steadily = steady.Steady(-70.0, 96, 1.0, -90.0)
    ours, ddsps = ([note(start + step) for step in range(8)] for start in (5, 6))
    product = [{"log_mel_distance_db": each.log_mel_db**2, "loudness_error_db": 1.0} for each in ours]
    verdicts = {
        Case(OURS, "brass", "harmonic", 0): Verdict(ours, steadily, product),
        Case(DDSP, "brass", "harmonic", 0): Verdict(ddsps, steadily, []),
    }
    assert table.markdown(verdicts).splitlines()[2].startswith("| harmonic | brass | 8.5 / 9.5 | 85 / 95 | 3.0 / 3.0 |")
    assert table.markdown(verdicts).endswith("| yes |")
    found = table.agreement(verdicts)
    assert (found.notes, found.ranks) == (8, {"log_mel_distance_db": 1.0})
    assert found.alike == ("loudness_error_db", "pitch_error_cents")
    assert table.agreement_text("all models", found).endswith(
        "8 notes of all models: `log_mel_distance_db` 1.00; no "
        "difference is heard in `loudness_error_db`, `pitch_error_cents`."
    )
    swapped = {
        Case(OURS if case.whose == DDSP else DDSP, "brass", "harmonic", 0): each for case, each in verdicts.items()
    }
    assert table.markdown(swapped).endswith("| no: log-mel, dB, MFCC |")


def test_what_nobody_hears_is_no_difference_in_pitch():
    steadily = steady.Steady(-70.0, 96, 1.0, -90.0)
    of_judge = [(1.0, 1.0), (8.0, 0.98), (3.0, 0.99), (9.0, 0.975), (2.0, 1.0), (60.0, 0.4), (1500.0, 0.0), (None, 0.0)]
    of_product = [
        (9.0, 0.99),
        (2.0, 1.0),
        (8.0, 1.0),
        (1.0, 0.995),
        (4.0, 0.98),
        (70.0, 0.5),
        (None, 0.0),
        (3000.0, 0.0),
    ]
    notes = [Judged(5.0, 50.0, 3.0, -1.0, *each) for each in of_judge]
    product = [dict(zip(("pitch_error_cents", "pitch_within_share"), each, strict=True)) for each in of_product]
    found = table.agreement({Case(DDSP, "brass", "harmonic", 0): Verdict(notes, steadily, product)})
    assert found.ranks == {"pitch_error_cents": 1.0, "pitch_within_share": 1.0}


def product(distance):
    """The product's numbers of a note that the judge gives the same distances."""
    scores = dict.fromkeys(Numbers.__annotations__)
    scores |= {"spectral_loss": distance, "log_mel_distance_db": distance, "mfcc_distance": 10 * distance}
    return {**scores, "loudness_error_db": 3.0, "clipped_share": 0.0, "pitch_within_share": 1.0}


def test_product_and_judge_agree_on_the_best_or_it_is_said():
    steadily = steady.Steady(-70.0, 96, 1.0, -90.0)
    far, near = ([distance] * 8 for distance in (8, 5))

    def verdicts(of_product, of_judge):
        return {
            Case(OURS, "brass", synth, 0): Verdict([note(each) for each in judged], steadily, list(map(product, ours)))
            for synth, ours, judged in zip(("harmonic", "wavetable"), of_product, of_judge, strict=True)
        }

    (same,) = champions.champions(verdicts((near, far), (near, far)))
    assert (same.product, same.judge, same.product_tied, same.agree) == ("harmonic", "harmonic", (), True)
    (other,) = champions.champions(verdicts((far, near), (near, far)))
    assert not other.agree and other.text().endswith("| wavetable | harmonic | NO |")
    (close,) = champions.champions(verdicts((near, near), (far, near)))
    assert close.agree and close.product_tied == ("wavetable",)


def test_another_length_or_seed_is_another_training(tmp_path):
    case, other = Case(OURS, "brass", "harmonic", 0), Case(OURS, "brass", "harmonic", 1)
    short, long = (Trainings(tmp_path, tmp_path / "sorted", "seed", seconds) for seconds in (60.0, 180.0))
    assert len({short.folder(case), long.folder(case), long.folder(other)}) == 3
