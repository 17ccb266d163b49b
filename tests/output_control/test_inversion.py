"""A derived figure gives its counts back: how closely, against trying every count; and what the gate makes of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from output_control.statistics import figures, inversion
from output_control.tables.table import FloatArray


def every(n: int) -> tuple[FloatArray, FloatArray]:
    """All numerators 0…n with their denominator."""
    return np.arange(n + 1.0), np.full(n + 1, float(n))


def by_trying(shown: float, candidates: FloatArray) -> tuple[float, float]:
    """The least and the most numerator whose rounded figure is the one shown."""
    fits = np.flatnonzero(candidates == shown)
    return float(fits.min()), float(fits.max())


def one(published: inversion.Published, n: float) -> tuple[float, float]:
    low, high = inversion.left_open({"figure": published}, np.array([n]), whole=True)
    return float(low[0]), float(high[0])


def test_a_rate_of_three_digits_gives_a_hidden_count_of_seven_in_forty_back_exactly() -> None:
    shown = np.array([0.175])  # 7 / 40
    assert one(inversion.of_rate(shown, 3, np.array([40.0])), 40) == (7, 7)


def test_a_rate_of_one_digit_leaves_the_count_as_open_as_its_rounding() -> None:
    # 0.2 stands for 0.15 to 0.25, so for 6 to 10 of 40
    assert one(inversion.of_rate(np.array([0.2]), 1, np.array([40.0])), 40) == (6, 10)


def test_observed_by_expected_gives_the_observed_back_to_who_knows_the_rates() -> None:
    shown = figures.rounded(figures.ratio(np.array([3.0]), np.array([7.3])), 3)  # 0.411
    assert one(inversion.of_ratio(shown, 3, np.array([7.3])), 100) == (3, 3)


def test_a_mean_gives_the_total_back() -> None:
    low, high = inversion.left_open(
        {"mean": inversion.of_mean(np.array([12.3]), 3, np.array([20.0]))}, np.array([np.inf]), whole=False
    )
    assert (low[0], high[0]) == pytest.approx((12.25 * 20, 12.35 * 20))


@given(n=st.integers(1, 120), digits=st.integers(1, 4), end=st.sampled_from([-1, 1]), data=st.data())
def test_wilson_ends_are_undone_as_trying_every_count_does(n: int, digits: int, end: int, data: st.DataObject) -> None:
    c, whole = every(n)
    shown = figures.rounded(figures.wilson(c, whole)[end > 0], digits)
    truth = data.draw(st.integers(0, n))
    low, high = one(inversion.of_wilson(shown[[truth]], digits, np.array([float(n)]), end=end), n)
    least, most = by_trying(float(shown[truth]), shown)
    # an exact half rounds one way only, so the closed interval may hold one more on either side
    assert low <= least <= truth <= most <= high
    assert least - low <= 1 and high - most <= 1


@given(n=st.integers(1, 120), digits=st.integers(1, 4), data=st.data())
def test_rates_are_undone_as_trying_every_count_does(n: int, digits: int, data: st.DataObject) -> None:
    c, whole = every(n)
    shown = figures.rounded(figures.rate(c, whole), digits)
    truth = data.draw(st.integers(0, n))
    low, high = one(inversion.of_rate(shown[[truth]], digits, np.array([float(n)])), n)
    least, most = by_trying(float(shown[truth]), shown)
    assert low <= least <= truth <= most <= high
    assert least - low <= 1 and high - most <= 1


@given(n=st.integers(1, 120), mean=st.floats(0.01, 0.9), variance=st.floats(1e-6, 0.1), data=st.data())
def test_shrunken_values_are_undone_as_trying_every_count_does(
    n: int, mean: float, variance: float, data: st.DataObject
) -> None:
    c, whole = every(n)
    shown = figures.rounded(figures.Shrinkage(mean, variance).of(c, whole), 3)
    truth = data.draw(st.integers(0, n))
    published = inversion.of_shrunken(shown[[truth]], 3, np.array([float(n)]), mean=mean, variance=variance)
    low, high = one(published, n)
    least, most = by_trying(float(shown[truth]), shown)
    assert low <= least <= truth <= most <= high
    assert least - low <= 1 and high - most <= 1


def test_values_shrunken_to_one_point_tell_nothing() -> None:
    published = inversion.of_shrunken(np.array([0.1]), 3, np.array([40.0]), mean=0.1, variance=0.0)
    assert one(published, 40) == (0, 40)


def test_two_figures_together_leave_what_both_leave() -> None:
    n = np.array([40.0])
    coarse = {"rate": inversion.of_rate(np.array([0.2]), 1, n), "ratio": inversion.of_ratio(np.array([1.0]), 1, n / 5)}
    # the rate leaves 6 to 10, the ratio 0.95·8 = 7.6 to 1.5·8 = 12
    low, high = inversion.left_open(coarse, n, whole=True)
    assert (low[0], high[0]) == (8, 10)


def test_a_cell_is_given_away_when_a_figure_leaves_it_less_open_than_asked() -> None:
    n = np.array([40.0, 40.0, 40.0, 40.0])
    published = {"rate": inversion.of_rate(np.array([0.175, 0.175, np.nan, 0.2]), 3, n)}
    hidden = np.array([True, False, True, True])
    assert inversion.given_away(published, n, hidden, np.full(4, 3.0), whole=True).tolist() == [0, 3]
    coarse = {"rate": inversion.of_rate(np.array([0.2]), 1, np.array([40.0]))}
    assert not len(inversion.given_away(coarse, n[:1], hidden[:1], np.array([4.0]), whole=True))


def test_wilson_is_the_published_interval_of_81_in_263() -> None:
    # Newcombe 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E, table I, method 3: 81/263
    low, high = figures.wilson(np.array([81.0]), np.array([263.0]))
    assert (round(float(low[0]), 4), round(float(high[0]), 4)) == (0.2553, 0.3662)


def test_shrinkage_takes_moments_of_the_cells_it_is_given_only() -> None:
    c, n = np.array([1.0, 5.0, 90.0]), np.array([100.0, 100.0, 100.0])
    two = figures.Shrinkage.over(c, n, np.array([True, True, False]))
    assert two.mean == pytest.approx(6 / 200)
    spread = (100 * (0.01 - 0.03) ** 2 + 100 * (0.05 - 0.03) ** 2) / 200
    assert two.variance == pytest.approx(spread - 0.03 * 0.97 / 100)
    weight = two.variance / (two.variance + 0.03 * 0.97 / 100)
    assert two.of(c, n)[1] == pytest.approx(0.03 + weight * (0.05 - 0.03))
