"""Random bytes: the system's are never twice the same, a seed's always."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from enclave.entropy import Entropy, SecureEntropy, SeededEntropy


def test_the_systems_bytes_differ_every_time() -> None:
    source: Entropy = SecureEntropy()
    assert len({source.draw(16, "key") for _ in range(50)}) == 50


@given(st.integers(), st.integers(0, 300), st.text(max_size=20))
def test_a_seed_gives_the_same_bytes_again(seed: int, count: int, label: str) -> None:
    drawn = SeededEntropy(seed).draw(count, label)
    assert len(drawn) == count
    assert SeededEntropy(seed).draw(count, label) == drawn


@given(st.tuples(st.integers(), st.text(max_size=9)), st.tuples(st.integers(), st.text(max_size=9)))
def test_another_seed_or_label_gives_other_bytes(one: tuple[int, str], other: tuple[int, str]) -> None:
    first, second = (SeededEntropy(seed).draw(16, label) for seed, label in (one, other))
    assert (first == second) == (one == other)


def test_asking_for_more_gives_the_same_beginning() -> None:
    source = SeededEntropy(7)
    assert source.draw(100, "x").startswith(source.draw(10, "x"))


def test_all_byte_values_come_about_equally_often() -> None:
    """Chi-square with 255 degrees of freedom: mean 255, standard deviation 22.6; six deviations either side."""
    drawn = SeededEntropy(1).draw(256 * 400, "test")
    chi_square = sum((drawn.count(value) - 400) ** 2 / 400 for value in range(256))
    assert 255 - 6 * 22.6 < chi_square < 255 + 6 * 22.6
