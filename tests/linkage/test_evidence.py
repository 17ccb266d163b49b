"""Estimates of quality by arithmetic, and what of them researchers may see."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkage.evidence import MatchEvidence, Share, WeightBin, duplicate_precision, share_of
from linkage.nonlinkage import cell_weights
from linkage.quality import (
    KeyQuality,
    PassCount,
    QualityReport,
    Rates,
    balance,
    standardised_difference,
)
from linkage.quality_html import html_page
from linkage.quality_pages import page, pictures
from linkage.report import SMALL, Counts, Group
from linkage.subgroups import SubgroupRates


def test_wilsons_interval_is_the_published_one() -> None:
    # Newcombe (1998), Statistics in Medicine 17:857–872, table I: 81 of 263 gives 0.2553 to 0.3662
    share = share_of(81, 263)
    assert (round(share.low, 4), round(share.high, 4)) == (0.2553, 0.3662)


@pytest.mark.parametrize(("p", "mean"), [(0.9, 0.05), (0.5, 0.3), (0.98, 0.001)])
def test_the_duplicate_method_finds_the_precision_of_the_model_that_made_the_counts(p: float, mean: float) -> None:
    n = 1_000_000
    none = (1 - p) * math.exp(-mean)
    one = p * math.exp(-mean) + (1 - p) * mean * math.exp(-mean)
    counts = np.repeat([0, 1, 2], [round(n * none), round(n * one), n - round(n * none) - round(n * one)])
    assert duplicate_precision(counts) == pytest.approx(p * math.exp(-mean) / one, abs=2e-3)


def test_without_duplicates_the_duplicate_method_sees_no_error_and_without_links_nothing() -> None:
    assert duplicate_precision(np.array([0, 1, 1, 1])) == 1
    assert duplicate_precision(np.array([0, 0])) is None
    assert duplicate_precision(np.array([], dtype=np.int64)) is None


def test_the_standardised_difference_is_austins() -> None:
    assert standardised_difference(0.6, 0.5) == pytest.approx(0.1 / math.sqrt((0.24 + 0.25) / 2), abs=1e-4)
    assert standardised_difference(1, 1) == 0
    assert standardised_difference(1, 0) is None


def group(category: str, matched: int, unmatched: int) -> Group:
    return Group(by="sex", category=category, counts=Counts(matched=matched, unmatched=unmatched, without=0))


def test_balance_compares_linked_with_delivered() -> None:
    one, other = balance([group("1", 90, 10), group("2", 50, 50)])
    assert (one.rate, other.rate) == (0.9, 0.5)
    p, q = 90 / 140, 0.5
    assert (one.linked_share, one.share) == (round(p, 4), q)
    assert one.difference == pytest.approx((p - q) / math.sqrt((p * (1 - p) + q * (1 - q)) / 2), abs=1e-4)


CELLS = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=3),
    st.integers(0, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))),
    max_size=8,
)


@given(CELLS)
def test_no_weight_rests_on_few_records(cells: dict[str, tuple[int, int]]) -> None:
    weights = {found.cell: found.weight for found in cell_weights(cells)}
    for cell, weight in weights.items():
        assert weight >= 1
        if cell in cells:
            delivered, linked = cells[cell]
            assert linked >= SMALL
            assert not 0 < delivered - linked < SMALL
            assert weight == pytest.approx(delivered / linked, abs=1e-4)


def test_weighted_linked_records_are_as_many_as_were_delivered() -> None:
    cells = {"a": (100, 80), "b": (50, 40), "c": (12, 5), "d": (30, 28)}
    weights = {found.cell: found.weight for found in cell_weights(cells)}
    assert set(weights) == {"a", "all other"}  # b joins c and d: without it the pool would have 9 unlinked records
    linked = {"a": 80, "all other": 73}
    assert sum(weights[cell] * n for cell, n in linked.items()) == pytest.approx(192, abs=0.01)


def quality(passes: list[int], groups: list[Group]) -> KeyQuality:
    evidence = MatchEvidence(
        threshold=0.99,
        one_to_one=False,
        register_units=1000,
        trained_on=100,
        pairs=123,
        wanted=50,
        linked=41,
        review=3,
        passes={},
        expected_precision=0.999,
        expected_recall=0.98,
        precision=Share(part=97, whole=98, low=0.9444, high=0.9982),
        recall=share_of(97, 100),
        duplicate_precision=0.98765,
        levels=(),
        weights=(WeightBin(low=0, wanted=4, right=1, wrong=0),),
    )
    return KeyQuality(
        data_set="debts",
        key="person",
        threshold=0.99,
        precision=Rates(low=0.9444, high=0.9982),
        recall=Rates(low=0.91, high=0.99),
        duplicate_precision=0.98765,
        passes=tuple(PassCount(name=f"pass {at}", records=n) for at, n in enumerate(passes)),
        balance=balance(groups),
        weights=(),
        subgroups=(SubgroupRates(by="municipality", category="GM1", precision=share_of(197, 200), recall=None),),
        evidence=evidence,
    )


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=5),
)
def test_researchers_see_no_small_count_and_none_by_subtraction(
    passes: list[int], pairs: list[tuple[int, int]]
) -> None:
    groups = [group(str(at), m, u) for at, (m, u) in enumerate(pairs)]
    masked = quality(passes, groups).for_researchers()
    assert masked.evidence is None
    shown = [found.records for found in masked.passes if found.records is not None]
    assert not any(0 < n < SMALL for n in shown)
    hidden = sum(passes) - sum(shown)
    assert sum(passes) < SMALL or hidden == 0 or hidden >= SMALL
    cells = [cell for cell in masked.balance if cell.delivered is not None]
    for part in ("linked", "unlinked"):
        counts = [(c.linked or 0) if part == "linked" else (c.delivered or 0) - (c.linked or 0) for c in cells]
        assert not any(0 < n < SMALL for n in counts)
        everything = sum(m if part == "linked" else u for m, u in pairs)
        rest = everything - sum(counts)
        assert everything < SMALL or rest == 0 or rest >= SMALL


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9), st.integers(0, 99)), min_size=1, max_size=5))
def test_the_population_does_not_bring_back_who_is_hidden_among_the_delivered(
    counts: list[tuple[int, int, int]],
) -> None:
    delivered = [group(str(at), linked, missed) for at, (linked, missed, _) in enumerate(counts)]
    everybody = [group(str(at), linked, others) for at, (linked, _, others) in enumerate(counts)]
    whole = quality([], delivered).model_copy(update={"population": balance(everybody)})
    masked = whole.for_researchers()
    ours, theirs = ([c.delivered is None for c in cells] for cells in (masked.balance, masked.population))
    assert all(there or not here for here, there in zip(ours, theirs, strict=True))
    hidden = sum(linked for (linked, _, _), there in zip(counts, theirs, strict=True) if there)
    assert sum(linked for linked, _, _ in counts) < SMALL or hidden == 0 or hidden >= SMALL


_WITH_ID = '<svg><clipPath id="part-0"></clipPath><g clip-path="url(#part-0)"></g></svg>'


def pictures_by_name(key: KeyQuality) -> dict[str, str]:
    return {f"linkage_quality-debts-person-{what}.svg": svg for what, svg in pictures(key).items()}


def test_the_page_of_researchers_shows_only_pictures_that_are_there_and_nothing_hidden() -> None:
    report = QualityReport(project="p", keys=(quality([40, 3, 12], [group("1", 90, 12), group("2", 50, 3)]),))
    theirs = report.for_researchers()
    drawn = set(pictures_by_name(theirs.keys[0]))
    text = page(theirs, drawn)
    assert "For the custodian" not in text
    assert "-weights.svg" not in text
    assert "| pass 1 | · |" in text
    assert page(report, drawn).count("For the custodian") == 1
    alone = html_page(text, pictures_by_name(theirs.keys[0]))
    assert alone.count("<svg") == len(drawn) == 2
    assert "http" not in alone.replace("http://www.w3.org/", "")
    every = pictures_by_name(report.keys[0])
    ids = re.findall(r'id="([^"]+)"', html_page(page(report, every), dict.fromkeys(every, _WITH_ID)))
    assert len(set(ids)) == len(ids) == 5
    assert "<td>municipality</td><td>GM1</td><td class=n>95.0–100.0 %</td><td class=n>·</td>" in alone


def test_the_same_report_gives_the_same_pictures() -> None:
    key = quality([40, 13, 12], [group("1", 90, 12), group("2", 50, 30)])
    first, again = pictures(key), pictures(key)
    assert first == again
    assert set(first) == {"passes", "rate", "difference", "weights", "subgroups"}
    assert all(svg.startswith("<svg") and "http" not in svg.replace("http://www.w3.org/", "") for svg in first.values())
