"""Verdicts of clerks: which pairs they are on, what follows from them, and what of it researchers see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from enclave.errors import BadInput
from enclave.project import Probabilistic
from linkage.clerical_review import (
    BELOW,
    LINKED,
    VERDICTS,
    ClericalReview,
    Judged,
    Verdict,
    clerical_review,
    parse_verdicts,
    read_verdicts,
    right_share,
    write_verdicts,
)
from linkage.evidence import MatchEvidence, Share, evidence_of
from linkage.key_zone import KeyZone
from linkage.person_model import PERSONS
from linkage.probabilistic import Found, Result, _nothing
from linkage.quality import KeyQuality, QualityReport
from linkage.quality_pages import page, pictures
from linkage.review_sample import PER_STRATUM, ReviewSample, draw_review_sample

EVIDENCE = evidence_of(_nothing(PERSONS), threshold=0.99, review=0.5, one_to_one=False)


def evidence(linked: int, review: int) -> MatchEvidence:
    return EVIDENCE.model_copy(update={"linked": linked, "review": review})


def verdicts(*rows: tuple[str, float, str]) -> pa.Table:
    stratum, weight, verdict = zip(*rows, strict=True)
    columns = [["s"] * len(rows), range(1, len(rows) + 1), stratum, weight, verdict]
    return pa.table([pa.array(c, t) for c, t in zip(columns, VERDICTS.types, strict=True)], schema=VERDICTS)


def drawn(records: int, *, unit: str = "P") -> ReviewSample:
    numbers = np.arange(records)
    probability = np.where(numbers % 3 == 0, 0.7, 0.999)
    units = pa.array([f"{unit}{n}" for n in numbers])
    found = Found(numbers, units, units, numbers * 0.1, probability, numbers * 0, numbers * 0)
    nothing = _nothing(PERSONS)
    result = Result(PERSONS, numbers, found, nothing.labelled, nothing.model, records, records)
    return draw_review_sample(result, Probabilistic(columns={"surname": "s", "birth_date": "b"}, review=0.5))


def test_the_first_pairs_of_a_sample_are_a_sample_of_both_strata() -> None:
    sample = drawn(3000)
    assert sample.stratum[:4] == (BELOW, LINKED, BELOW, LINKED)
    assert len(sample.stratum) == 2 * PER_STRATUM
    assert all((p < 0.99) == (s == BELOW) for p, s in zip(sample.found.probability, sample.stratum, strict=True))
    assert 1000 < sample.found.record[:50].mean() < 2000, "not the first records of the deliveries"
    assert sample.found.unit.to_pylist() == [f"P{n}" for n in sample.found.record]
    assert sample.name == drawn(3000).name != drawn(3000, unit="Q").name


def test_the_interval_is_clopper_and_pearsons_and_unsure_pairs_widen_it_to_both_sides() -> None:
    # R: binom.test(3, 10)$conf.int is 0.06673951 0.65245285
    share = right_share(3, 0, 10)
    assert (share.low, share.high) == (0.06674, 0.652453)
    assert (right_share(100, 0, 100).low, right_share(100, 0, 100).high) == (
        pytest.approx(0.025 ** (1 / 100), abs=1e-6),
        1,
    )
    assert right_share(3, 4, 10).low == share.low
    assert right_share(3, 4, 10).high == right_share(7, 0, 10).high
    assert right_share(0, 0, 0) == Share(part=0, whole=0, low=0, high=1)


def test_where_every_pair_was_judged_only_unsure_ones_are_open() -> None:
    assert right_share(7, 1, 10, records=10) == Share(part=7, whole=10, low=0.7, high=0.8)
    found = clerical_review(
        verdicts((LINKED, 12.0, "yes"), (LINKED, 13.0, "yes"), (BELOW, 3.0, "yes"), (BELOW, 2.0, "no")), evidence(2, 2)
    )
    assert found
    assert found.near == (round(2 / 3, 6),) * 2  # two of the three true pairs are linked


def test_verdicts_are_counted_by_stratum_and_by_band_of_weight() -> None:
    rows = [(LINKED, 9.9, "no"), (LINKED, 10.0, "yes"), (LINKED, 14.9, "unsure"), (BELOW, -0.1, "no")]
    found = clerical_review(verdicts(*rows), evidence(900, 50))
    assert found
    assert [(s.stratum, s.records, s.right.part, s.right.whole, s.unsure) for s in found.strata] == [
        (LINKED, 900, 1, 3, 1),
        (BELOW, 50, 0, 1, 0),
    ]
    bands = [(b.stratum, b.weight_from, b.right.part, b.right.whole, b.unsure) for b in found.bands]
    assert bands == [(LINKED, 5, 0, 1, 0), (LINKED, 10, 1, 2, 1), (BELOW, -5, 0, 1, 0)]
    wide = [right_share(1, 1, 3, level=0.025), right_share(0, 0, 1, level=0.025)]
    low = 900 * wide[0].low / (900 * wide[0].low + 50 * wide[1].high)
    assert found.near == (pytest.approx(low, abs=1e-6), 1)


def test_without_verdicts_on_this_sample_there_is_no_estimate(tmp_path: Path) -> None:
    zone, sample = KeyZone(tmp_path), pa.table({"sample": ["a", "a"], "stratum": [LINKED, BELOW], "weight": [9.0, 1.0]})
    write_verdicts(zone, "verdicts.parquet", sample, {2: Verdict.NO, 1: Verdict.YES})
    kept = read_verdicts(zone, "verdicts.parquet", "a").to_pylist()
    assert [(row["pair"], row["stratum"], row["verdict"]) for row in kept] == [(1, LINKED, "yes"), (2, BELOW, "no")]
    assert clerical_review(read_verdicts(zone, "verdicts.parquet", "b"), EVIDENCE) is None
    assert clerical_review(read_verdicts(zone, "none.parquet", "a"), EVIDENCE) is None


def test_a_file_of_verdicts_is_taken_up_whole_or_not_at_all() -> None:
    assert parse_verdicts("sample abc\n\n2 no\n1;yes\n3, unsure\n", "abc", 3) == {
        2: Verdict.NO,
        1: Verdict.YES,
        3: Verdict.UNSURE,
    }
    with pytest.raises(BadInput, match="not on this sample"):
        parse_verdicts("sample abd\n1 yes\n", "abc", 3)
    with pytest.raises(BadInput) as caught:
        parse_verdicts("sample abc\n1 yes\n1 no\n4 yes\n0 yes\n2 Jansen\nJansen\n3 yes no\n", "abc", 3)
    assert [fault.rows for fault in caught.value.faults] == [(3, 4, 5, 6, 7, 8)]
    assert "Jansen" not in str(caught.value)


def judged(whole: int, part: int, **more: int | None) -> Judged:
    fields = {"weight_from": None, "records": 400, **more}
    # some of the fields may be None, and mypy reads them all as one type
    return Judged(stratum=LINKED, unsure=0, right=right_share(part, 0, whole), **fields)  # type: ignore[arg-type]


def report(review: ClericalReview) -> KeyQuality:
    return KeyQuality(
        data_set="d",
        key="k",
        threshold=0.99,
        precision=None,
        recall=None,
        duplicate_precision=None,
        passes=(),
        balance=(),
        weights=(),
        review=review,
    )


def test_the_report_has_the_verdicts_and_researchers_an_interval_that_several_counts_share() -> None:
    review = ClericalReview(
        strata=(judged(100, 98),), bands=(judged(9, 7, weight_from=10, records=None),), near=(0.913, 0.987)
    )
    full = report(review)
    text = page(QualityReport(project="p", keys=(full,)), {"linkage_quality-d-k-review.svg": ""})
    assert "| linked | all | 400 | 100 | 98 | 0 | 93.0–99.8 % |" in text
    assert "| linked | 10 |  | 9 | 7 | 0 |" in text
    assert "91.3–98.7 %" in text
    assert "share that is right" in pictures(full)["review"]
    theirs = full.for_researchers()
    shown = page(QualityReport(project="p", keys=(theirs,)), ())
    assert "| linked | all | · | · | · | · | 90.0–100.0 % |" in shown
    assert "90.0–100.0 %. Pairs" in shown
    assert "review" not in pictures(theirs)
    assert report(ClericalReview(strata=(judged(100, 99),), bands=(), near=None)).for_researchers().review == (
        report(ClericalReview(strata=(judged(100, 97),), bands=(), near=None)).for_researchers().review
    )
    assert report(ClericalReview(strata=(judged(99, 98),), bands=(), near=None)).for_researchers().review is None
