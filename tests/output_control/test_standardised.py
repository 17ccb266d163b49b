"""Direct standardisation and control limits: as arithmetic, as published, and undone against every count."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enclave.classifications import Classification
from output_control.statistics import figures, funnels, inversion, standardised

# Down's syndrome in Michigan 1950-1964 by age of the mother (six classes, to 40 and over): first births, and fifth and
# later ones. Source: Stark and Mantel 1966, as Fleiss 1981, table 14.4, gives them.
FIRST = [107, 141, 60, 40, 39, 25], [230061, 329449, 114920, 39487, 14208, 3052]
FIFTH = [0, 8, 63, 112, 262, 295], [327, 30666, 123419, 149919, 104088, 34392]
BIRTHS = np.array([319933.0, 931318, 786511, 488235, 237863, 61313])


def per_100_000(orders: list[tuple[list[int], list[int]]]) -> list[list[float]]:
    c, n = (np.array([order[part] for order in orders], dtype=np.float64).T for part in (0, 1))
    return [(1e5 * each).tolist() for each in standardised.direct(c, n, BIRTHS / BIRTHS.sum())]


def test_the_interval_is_the_published_one_of_down_s_syndrome_by_birth_order() -> None:
    """The example of Fay and Feuer 1997 (table II), with the decimals of R's dsrTest 1.0.0, method gamma."""
    value, low, high = per_100_000([FIRST, FIFTH])
    assert (value[1], low[1], high[1]) == pytest.approx((75.52901, 67.70212, 188.30017), abs=5e-6)
    first = sum(births * c / n for births, c, n in zip(BIRTHS, *FIRST, strict=True)) / BIRTHS.sum()
    assert value[0] == pytest.approx(1e5 * first)


def test_of_one_stratum_the_interval_is_garwood_s_for_a_poisson_count() -> None:
    # 10 of 1000: Garwood 1936, doi:10.1093/biomet/28.3-4.437, gives 4.80 to 18.39 for a count of 10; for 0 up to 3.69
    value, low, high = standardised.direct(np.array([[10.0, 0.0]]), np.array([[1000.0, 1000.0]]), np.ones(1))
    assert (1000 * value).tolist() == [10, 0]
    assert np.round(1000 * low, 2).tolist() == [4.80, 0]
    assert np.round(1000 * high, 2).tolist() == [18.39, 3.69]


def test_control_limits_lie_where_the_exact_distribution_reaches_its_tail() -> None:
    # of 10 around 1/2: P(R≤1) = 11/1024 and P(R≤2) = 56/1024, so 0.025 is reached between 1 and 2
    limits = funnels.of_rates(0.5, np.array([10.0]))
    low = 1 + (0.025 - 11 / 1024) / (45 / 1024)
    assert limits["limit95_low"][0] == pytest.approx(low / 10)
    assert limits["limit95_high"][0] == pytest.approx((9 - low) / 10)  # P(R≤8) = 1 - 11/1024, so at 9 less as much
    none = funnels.of_rates(0.5, np.array([4.0]))  # P(R≤0) = 1/16 is above the tail already
    assert none["limit95_low"].tolist() == [0]
    assert np.isnan(funnels.of_rates(0.0, np.array([4.0]))["limit95_low"]).all()
    # around 3: P(X≤0) = 0.0498, P(X≤6) = 0.9665, P(X≤7) = 0.9881
    terms = [math.exp(-3) * 3**r / math.factorial(r) for r in range(8)]
    ratios = funnels.of_ratios(np.array([3.0, 0.0]))
    assert ratios["limit95_low"][0] == 0
    assert ratios["limit95_high"][0] == pytest.approx((6 + (0.975 - sum(terms[:7])) / terms[7]) / 3)
    assert np.isnan(ratios["limit95_high"][1])


@given(n=st.integers(1, 3000), target=st.floats(0.01, 0.99), digits=st.integers(1, 4), off=st.integers(1, 3000))
def test_a_control_limit_is_that_of_its_own_denominator(n: int, target: float, digits: int, off: int) -> None:
    here, other = np.array([float(n)]), np.array([float(n + off)])
    for name, values in funnels.of_rates(target, here).items():
        shown = figures.rounded(values, digits)
        tail = funnels.LIMITS[name]
        assert inversion.of_binomial_limit(shown, digits, here, target=target, tail=tail).all()
        same = figures.rounded(funnels.of_rates(target, other)[name], digits) == shown
        fits = inversion.of_binomial_limit(shown, digits, other, target=target, tail=tail)
        assert fits.all() or not same.any()
    for name, values in funnels.of_ratios(here / 7).items():
        shown = figures.rounded(values, digits)
        assert inversion.of_poisson_limit(shown, digits, here / 7, tail=funnels.LIMITS[name]).all()


def test_a_control_limit_of_three_digits_gives_a_denominator_back_nearly() -> None:
    every = np.arange(1.0, 2001)
    shown = figures.rounded(funnels.of_rates(0.3, np.array([140.0]))["limit95_high"], 3)
    fits = inversion.of_binomial_limit(np.full(2000, shown[0]), 3, every, target=0.3, tail=0.975)
    tried = figures.rounded(funnels.of_rates(0.3, every)["limit95_high"], 3) == shown[0]
    assert fits.tolist() == tried.tolist()
    assert 140 in every[fits] and fits.sum() < 10


def test_limits_of_millions_are_undone_too() -> None:
    n = np.array([1e6, 17e6])
    for name, values in funnels.of_rates(0.013, n).items():
        shown = figures.rounded(values, 6)
        assert inversion.of_binomial_limit(shown, 6, n, target=0.013, tail=funnels.LIMITS[name]).all()
        assert not inversion.of_binomial_limit(shown * 1.0001, 6, n, target=0.013, tail=funnels.LIMITS[name]).any()


@given(
    n=st.integers(1, 120),
    digits=st.integers(1, 4),
    whole=st.tuples(st.integers(1, 500), st.integers(500, 900)),
    data=st.data(),
)
def test_quotients_and_ratios_are_undone_as_trying_every_count_does(
    n: int, digits: int, whole: tuple[int, int], data: st.DataObject
) -> None:
    c, truth = np.arange(n + 1.0), data.draw(st.integers(0, n))
    share = (float(whole[0]), float(whole[1]))
    quotients = figures.rounded(figures.ratio(c / n, np.full(n + 1, share[0] / share[1])), digits)
    ratios = figures.rounded(figures.ratio(c, np.full(n + 1, share[0])), digits)
    for shown, undone in (
        (quotients, inversion.of_quotient(quotients[[truth]], digits, np.array([float(n)]), whole=share)),
        (ratios, inversion.of_category_ratio(ratios[[truth]], digits, np.array([share[0]]))),
    ):
        low, high = (float(end[0]) for end in inversion.left_open({"f": undone}, np.array([float(n)]), whole=True))
        fits = np.flatnonzero(shown == shown[truth])
        # an exact half rounds one way only, so the closed interval may hold one more on either side
        assert low <= fits.min() <= truth <= fits.max() <= high
        assert fits.min() - low <= 1 and high - fits.max() <= 1


def test_a_standardised_rate_gives_a_stratum_back_to_who_knows_the_others() -> None:
    # 0.4·7/40 + 0.6·50/200 = 0.22; one home more is 0.01 more
    c, n, weights = np.array([[7.0], [50.0]]), np.array([[40.0], [200.0]]), np.array([0.4, 0.6])
    undone = inversion.of_direct(np.array([0.22]), 3, c, n, weights, stratum=0)
    low, high = inversion.left_open({"direct": undone}, np.array([40.0]), whole=True)
    assert (low[0], high[0]) == (7, 7)


def test_a_standard_population_is_of_the_finest_codes_and_adds_up_above_them() -> None:
    codes = [("T", "", "total"), ("0", "T", "broad"), ("1", "T", "broad"), ("00", "0", "fine"), ("05", "0", "fine")]
    fields = {
        "name": "age", "title_nl": "x", "title_en": "x",
        "codes": [{"code": c, "parent": p, "level": at, "label_nl": c, "label_en": c} for c, p, at in codes],
    }  # fmt: skip
    listed = Classification.model_validate(fields | {"standard": {"00": 5000, "05": 5500, "1": 1000}})
    assert [listed.standard_of(code) for code in ("T", "0", "05", "1")] == [11500, 10500, 5500, 1000]
    for wrong in ({"00": 1.0}, {"00": 1.0, "05": -1.0, "1": 1.0}, {"00": 0.0, "05": 0.0, "1": 0.0}):
        with pytest.raises(ValueError, match="a standard population has a number"):
            Classification.model_validate(fields | {"standard": wrong})
