"""CRCs put together, against CRCs of what is together."""

import random

import google_crc32c
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.nsynth import checksum


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=300))
def test_a_combined_crc_is_that_of_the_whole(first, second):
    expected = google_crc32c.value(first + second)
    assert checksum.combine(google_crc32c.value(first), google_crc32c.value(second), len(second)) == expected


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=50), st.integers(0, 1 << 20), st.integers(0, 1000))
def test_long_pieces(first, length, seed):
    second = random.Random(seed).randbytes(length)
    expected = google_crc32c.value(first + second)
    assert checksum.combine(google_crc32c.value(first), google_crc32c.value(second), length) == expected


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**40), st.integers(0, 2**40))
def test_pieces_may_be_put_together_in_any_order(first, second, one, two):
    zeros = checksum.combine(checksum.combine(first, 0, one), second, two)
    assert zeros == checksum.combine(first, 0, one + two) ^ second


@pytest.mark.parametrize("length", [0, 1, 16, 272_583, 272_599, (64 << 20) + 16])
def test_a_length_that_comes_again_and_again_gives_the_same(length, monkeypatch):
    monkeypatch.setattr(checksum, "_uses", {})
    monkeypatch.setattr(checksum, "_length_tables", {})
    crcs = [random.Random(length).getrandbits(32) for _ in range(checksum._USES_OF_A_TABLE + 2)]
    fresh = [checksum._append_zeros(crc, length) ^ 7 for crc in crcs]
    assert [checksum.combine(crc, 7, length) for crc in crcs] == fresh
    assert list(checksum._length_tables) == [length]


def test_what_is_kept_is_bounded(monkeypatch):
    monkeypatch.setattr(checksum, "_uses", {})
    monkeypatch.setattr(checksum, "_length_tables", {})
    monkeypatch.setattr(checksum, "_USES_OF_A_TABLE", 1)
    for length in range(600):
        checksum.combine(1, 2, length)
        assert len(checksum._length_tables) <= checksum._MOST_TABLES
    monkeypatch.setattr(checksum, "_USES_OF_A_TABLE", 2)
    for length in range(10_000, 20_000):
        checksum.combine(1, 2, length)
    assert len(checksum._uses) <= checksum._MOST_COUNTED


def test_the_mask_is_tensorflows():
    # tensorflow/core/lib/hash/crc32c_test.cc: the CRC of 32 zero bytes; the mask's own definition.
    crc = checksum.crc32c(bytes(32))
    assert crc == 0x8A9136AA
    assert checksum.masked(crc) == ((crc >> 15) + (crc << 17 & 0xFFFFFFFF) + 0xA282EAD8) & 0xFFFFFFFF
