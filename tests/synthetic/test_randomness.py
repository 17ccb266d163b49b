"""Draws depend on seed, stream, id and draw number only."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synthetic.randomness import gamma_shape_two, normals, pick, poisson, stratified, uniforms


@given(
    first=st.integers(0, 2**40),
    count=st.integers(1, 60),
    cut=st.integers(0, 60),
    draws=st.integers(1, 7),
    seed=st.integers(0, 2**63),
)
def test_any_split_of_the_ids_gives_the_same_bytes(first: int, count: int, cut: int, draws: int, seed: int) -> None:
    whole = uniforms(seed, "s", first, count, draws)
    cut = min(cut, count)
    parts = [uniforms(seed, "s", first, cut, draws), uniforms(seed, "s", first + cut, count - cut, draws)]
    assert np.concatenate(parts).tobytes() == whole.tobytes()


def test_seeds_and_streams_give_unrelated_numbers() -> None:
    base = uniforms(1, "a", 0, 20_000)[:, 0]
    for other in (uniforms(2, "a", 0, 20_000)[:, 0], uniforms(1, "b", 0, 20_000)[:, 0]):
        # 20,000 independent pairs: the correlation has standard error 1/sqrt(20000) = 0.0071
        assert abs(np.corrcoef(base, other)[0, 1]) < 4 * 0.0071


def test_uniforms_have_the_moments_of_the_uniform_distribution() -> None:
    u = uniforms(7, "moments", 5, 100_000)[:, 0]
    assert u.min() > 0 and u.max() < 1
    assert abs(u.mean() - 0.5) < 4 * np.sqrt(1 / 12 / 100_000)
    assert abs(u.var() - 1 / 12) < 4 * np.sqrt(1 / 180 / 100_000)


def test_inversions_have_the_moments_of_their_distributions() -> None:
    u = uniforms(3, "inversion", 0, 100_000, 3)
    counts = poisson(u[:, 0], 1.7, 40)
    assert abs(counts.mean() - 1.7) < 4 * np.sqrt(1.7 / 100_000)
    assert abs(counts.var() - 1.7) < 0.06
    frailty = gamma_shape_two(u[:, 1:])
    # gamma with shape 2 and mean 1 has variance 1/2
    assert abs(frailty.mean() - 1) < 4 * np.sqrt(0.5 / 100_000)
    assert abs(frailty.var() - 0.5) < 0.03
    shares = np.bincount(pick(u[:, 0], [1, 3, 6]), minlength=3) / 100_000
    assert np.abs(shares - [0.1, 0.3, 0.6]).max() < 4 * np.sqrt(0.25 / 100_000)
    z = normals(3, "inversion", 0, 100_000)[:, 0]
    assert abs(z.mean()) < 4 / np.sqrt(100_000)
    assert abs(z.std() - 1) < 4 / np.sqrt(200_000)


def test_a_poisson_draw_never_exceeds_its_cut_off() -> None:
    assert poisson(np.array([1 - 1e-16, 0.5]), 20.0, 12).max() == 12


@given(
    u=st.lists(st.floats(0.001, 0.999), max_size=40, unique=True),
    shift=st.floats(0.001, 0.999),
    share=st.floats(0.0, 1.0),
)
def test_strata_keep_the_order_and_meet_every_share_to_within_one(u: list[float], shift: float, share: float) -> None:
    spread = stratified(np.array(u), shift)
    assert np.argsort(spread, kind="stable").tolist() == np.argsort(np.array(u), kind="stable").tolist()
    assert abs((spread < share).sum() - share * len(u)) <= 1 + 1e-9
