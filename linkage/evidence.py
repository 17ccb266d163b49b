"""What matching by likeness knows of its own quality: kept beside the matches, read by the linkage-quality report.

Holds counts, rates and parameters of the model, and no value of any record.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from enclave.errors import NotReady, Tampered
from linkage.assignment import Floats, Ints
from linkage.key_zone import KeyZone
from linkage.matches import evidence_file
from linkage.probabilistic import Labelled, Result

_Z = 1.959963984540054
WEIGHT_STEP = 2


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LevelReport(_Record):
    """One level of agreement: its m, u and weight log2(m/u)."""

    comparison: str
    level: str
    m: float
    u: float
    weight: float


class Share(_Record):
    """``part`` of ``whole``, with Wilson's 95 % interval (1927, doi:10.1080/01621459.1927.10502953); 0–1."""

    part: int
    whole: int
    low: float
    high: float

    @property
    def rate(self) -> float | None:
        """The share; None of nothing."""
        return self.part / self.whole if self.whole else None


class WeightBin(_Record):
    """Records by the weight of their best candidate, from ``low`` up to ``low`` + :data:`WEIGHT_STEP`; of the labelled
    ones, how many of these candidates are right and wrong."""

    low: int
    wanted: int
    right: int
    wrong: int


class MatchEvidence(_Record):
    """Quality of the matches of one key.

    ``wanted``: records without an identifier; ``linked`` of them, by ``passes`` (name of the pass -> records);
    ``review``: records between the thresholds. ``expected_precision`` and ``expected_recall`` follow from the weights.
    ``precision`` and ``recall`` are of labelled records, linked as if they had no identifier. ``duplicate_precision``
    is by the duplicate method, None where it cannot say. ``sample`` tells the pairs drawn for clerks from others.
    ``blocking`` is the part of ``recall`` that the passes allow: true pairs that any pass yields.
    """

    threshold: float
    one_to_one: bool
    register_units: int
    trained_on: int
    pairs: int
    wanted: int
    linked: int
    review: int
    passes: dict[str, int]
    expected_precision: float | None
    expected_recall: float | None
    precision: Share
    recall: Share
    duplicate_precision: float | None
    levels: tuple[LevelReport, ...]
    weights: tuple[WeightBin, ...]
    sample: str = ""
    blocking: Share | None = None


def evidence_of(
    result: Result, *, threshold: float, review: float, one_to_one: bool, sample: str = ""
) -> MatchEvidence:
    """The evidence of a finished match; ``sample`` is the name of the pairs drawn for clerks."""
    found, labelled = result.found, result.labelled
    linked = found.probability >= threshold
    right = is_right(labelled)
    accepted = labelled.found.probability >= threshold
    in_register = len(labelled.record) - labelled.truth.null_count
    counts = np.bincount(found.rule[linked], minlength=len(result.units.passes))
    return MatchEvidence(
        threshold=threshold,
        one_to_one=one_to_one,
        register_units=result.register,
        trained_on=result.model.trained_on,
        pairs=result.pairs,
        wanted=len(result.wanted),
        linked=int(linked.sum()),
        review=int(((found.probability >= review) & ~linked).sum()),
        passes={name: int(n) for (name, _), n in zip(result.units.passes, counts, strict=True) if n},
        expected_precision=_mean(found.probability[linked]),
        expected_recall=_expected_recall(found.probability, linked),
        precision=share_of(int((right & accepted).sum()), int(accepted.sum())),
        recall=share_of(int((right & accepted).sum()), in_register),
        duplicate_precision=duplicate_precision(found.links),
        levels=tuple(
            LevelReport(comparison=c.name, level=v.label, m=v.m, u=v.u, weight=round(math.log2(v.m / v.u), 3))
            for c in result.model.comparisons
            for v in c.levels
            if v.u is not None
        ),
        weights=_weights(found.weight, labelled.found.weight, right),
        sample=sample,
        blocking=share_of(result.yielded, in_register) if in_register else None,
    )


def read_evidence(zone: KeyZone, data_set: str, key: str) -> MatchEvidence:
    """What was written beside the matches of a key.

    Raises:
        NotReady: matching has not run. Tampered: it does not read.
    """
    path = zone.folder / evidence_file(data_set, key)
    if not path.is_file():
        raise NotReady(f"the key zone has no {path.name}", next_step="zicht pseudonymise")
    try:
        return MatchEvidence.model_validate_json(path.read_bytes())
    except ValueError:
        raise Tampered(f"{path.name} does not read", next_step="restore the key zone, or match again") from None


def is_right(labelled: Labelled) -> npt.NDArray[np.bool_]:
    """Per found labelled record, whether the chosen unit is the one that the identifier says."""
    position = np.searchsorted(labelled.record, labelled.found.record)
    truth = labelled.truth.take(pa.array(position))
    right: npt.NDArray[np.bool_] = pc.fill_null(pc.equal(truth, labelled.found.unit), False).to_numpy(
        zero_copy_only=False
    )
    return right


def share_of(part: int, whole: int) -> Share:
    """A share with its interval; 0–1 of nothing."""
    if not whole:
        return Share(part=0, whole=0, low=0.0, high=1.0)
    p, n, z2 = part / whole, whole, _Z * _Z
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return Share(part=part, whole=whole, low=round(max(middle - half, 0), 6), high=round(min(middle + half, 1), 6))


def duplicate_precision(links: Ints) -> float | None:
    """Share of single links that are right, from how often a record has no, one, or several links.

    A record has its true link with probability p, and a Poisson number (mean λ) of false ones beside it. The shares
    of records with no link, (1-p)·exp(-λ), and with one, p·exp(-λ) + (1-p)·λ·exp(-λ), give p and λ; the answer is
    p·exp(-λ) over the share with one. None when no record has one link, or the two shares contradict the model.

    References: Blakely and Salmond (2002), International Journal of Epidemiology 31:1246–1252,
    doi:10.1093/ije/31.6.1246.
    """
    if not len(links):
        return None
    none, one = float((links == 0).mean()), float((links == 1).mean())
    if not one:
        return None
    mean = _false_links(none, none + one)
    if mean is None:
        return None
    return round(max((one - none * mean) / one, 0.0), 6)


def _false_links(none: float, at_most_one: float) -> float | None:
    """The smallest λ ≥ 0 with exp(-λ) + none·λ = at_most_one, by bisection up to the function's minimum."""
    if at_most_one >= 1:
        return 0.0
    low, high = 0.0, -math.log(none) if none else 700.0

    def excess(mean: float) -> float:
        return math.exp(-mean) + none * mean - at_most_one

    if excess(high) > 0:
        return None
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return (low + high) / 2


def _mean(values: Floats) -> float | None:
    return round(float(values.mean()), 6) if len(values) else None


def _expected_recall(probability: Floats, linked: npt.NDArray[np.bool_]) -> float | None:
    """Of the matches among best candidates, the share that is linked; pairs that no pass finds are not counted."""
    everything = float(probability.sum())
    return round(float(probability[linked].sum()) / everything, 6) if everything else None


def _weights(wanted: Floats, labelled: Floats, right: npt.NDArray[np.bool_]) -> tuple[WeightBin, ...]:
    if not len(wanted) and not len(labelled):
        return ()
    sets: Sequence[Floats] = (wanted, labelled[right], labelled[~right])
    bins = [np.floor(values / WEIGHT_STEP).astype(np.int64) for values in sets]
    low = min(int(b.min()) for b in bins if len(b))
    counted = [np.bincount(b - low) for b in bins]
    size = max(len(c) for c in counted)
    padded = [np.pad(c, (0, size - len(c))) for c in counted]
    return tuple(
        WeightBin(
            low=(low + at) * WEIGHT_STEP, wanted=int(padded[0][at]), right=int(padded[1][at]), wrong=int(padded[2][at])
        )
        for at in range(size)
    )
