"""What clerks found of a sample of pairs: their verdicts, kept in the key zone, and what follows from them.

A verdict says of a pair of the sample whether both records are of one unit. The file holds numbers of pairs, weights
and verdicts, and nothing that was delivered; it counts for the sample it was given on and for no other.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from enclave.errors import BadInput, Fault, NotReady
from linkage.evidence import MatchEvidence, Share
from linkage.key_zone import KeyZone

LINKED, BELOW = "linked", "below threshold"
"""The strata of a sample: linked records, and those between the two thresholds."""
FEWEST = 100
"""Judged pairs of a stratum, for researchers to see its interval: one of fewer tells the counts."""
_STEPS, _SHOWN = 20, 10
BAND = 5
"""Width of the bands of weight by which verdicts are counted."""
VERDICTS = pa.schema(
    [
        ("sample", pa.string()),
        ("pair", pa.int64()),
        ("stratum", pa.string()),
        ("weight", pa.float64()),
        ("verdict", pa.string()),
    ]
)
_LEVEL, _BOTH = 0.05, 0.025  # two intervals of 97.5 % hold together in at least 95 % (Bonferroni)


class Verdict(StrEnum):
    """What a clerk says of a pair."""

    YES = "yes"
    NO = "no"
    UNSURE = "unsure"


class Judged(BaseModel):
    """Pairs of a stratum that were judged: ``records`` of the matched records are in the stratum (None: of a band).

    ``right`` has the pairs judged to be one unit, of all judged, with a 95 % interval that holds whichever way the
    ``unsure`` ones are.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    stratum: str
    weight_from: int | None
    records: int | None
    unsure: int
    right: Share

    def for_researchers(self) -> Judged:
        """The interval in steps of 5 %, outwards, which several counts share."""
        low, high = _coarse(self.right.low, self.right.high)
        return self.model_copy(
            update={"records": None, "unsure": 0, "right": Share(part=0, whole=0, low=low, high=high)}
        )


class ClericalReview(BaseModel):
    """What verdicts say: by stratum, by band of weight, and the recall ``near`` the threshold: of the true pairs at or
    above the lower threshold, the share that is linked (95 %; None where a stratum has no verdict)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    strata: tuple[Judged, ...]
    bands: tuple[Judged, ...]
    near: tuple[float, float] | None

    def for_researchers(self) -> ClericalReview | None:
        """Intervals of strata of which :data:`FEWEST` pairs were judged, without counts or weights."""
        shown = tuple(s.for_researchers() for s in self.strata if s.right.whole >= FEWEST)
        near = _coarse(*self.near) if self.near and len(shown) == len(self.strata) else None
        return ClericalReview(strata=shown, bands=(), near=near) if shown else None


def verdicts_file(data_set: str, key: str) -> str:
    """Name of the verdicts on the pairs of one key."""
    return f"verdicts-{data_set}-{key}.parquet"


def sample_name(sample: pa.Table) -> str:
    """The name of a sample that was read; no verdict is given on one without pairs."""
    if not sample.num_rows:
        raise NotReady("the sample has no pairs: no record was matched by likeness, or nearly", next_step="zicht link")
    if "sample" not in sample.column_names:
        raise NotReady("the sample is of an earlier version of Zicht", next_step="zicht pseudonymise")
    return str(sample["sample"][0].as_py())


def write_verdicts(zone: KeyZone, name: str, sample: pa.Table, verdicts: Mapping[int, Verdict]) -> None:
    """Keep verdicts by number of pair, counted from 1 in the order of ``sample``."""
    numbers = sorted(verdicts)
    rows = sample.select(["sample", "stratum", "weight"]).take(pa.array([n - 1 for n in numbers], pa.int64()))
    table = rows.append_column("pair", pa.array(numbers, pa.int64()))
    table = table.append_column("verdict", pa.array([verdicts[n].value for n in numbers], pa.string()))
    with zone.writing(name, VERDICTS) as sink:
        for batch in table.select(VERDICTS.names).combine_chunks().to_batches():
            sink(batch)


def read_verdicts(zone: KeyZone, name: str, sample: str) -> pa.Table:
    """The verdicts on ``sample``; no rows where there are none, or of another sample only."""
    if not (zone.folder / name).is_file():
        return VERDICTS.empty_table()
    found = zone.reader([name], VERDICTS).read_all()
    return found.filter(pa.array([own == sample for own in found["sample"].to_pylist()], pa.bool_()))


def parse_verdicts(text: str, sample: str, pairs: int) -> dict[int, Verdict]:
    """Verdicts from a file: the sample's name in the first line, then ``<pair> <verdict>``, by comma, semicolon or
    space; empty lines are passed over.

    Raises:
        BadInput: another sample, a pair that it has not or has twice, another word; by line, without what stands there.
    """
    lines = [(at, re.split(r"[,;\s]+", line.strip())) for at, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines or lines[0][1] != ["sample", sample]:
        raise BadInput(
            "the verdicts are not on this sample",
            next_step=f"begin the file with the line 'sample {sample}' when they are; zicht clerical-review shows it",
        )
    found: dict[int, Verdict] = {}
    wrong = []
    for at, words in lines[1:]:
        number = int(words[0]) if words[0].isdecimal() and len(words[0]) < 5 else 0
        if len(words) != 2 or words[1] not in list(Verdict) or not 1 <= number <= pairs or number in found:
            wrong.append(at)
        else:
            found[number] = Verdict(words[1])
    if wrong:
        wanted = f"a line is a pair from 1 to {pairs}, once, and yes, no or unsure"
        fault = Fault("verdicts", "line", wanted, rows=tuple(wrong[:_SHOWN]), count=len(wrong))
        raise BadInput("no verdict was taken up", where="verdicts", faults=[fault])
    return found


def clerical_review(verdicts: pa.Table, evidence: MatchEvidence) -> ClericalReview | None:
    """What verdicts on a sample of the matches of ``evidence`` say; None without verdicts."""
    if not verdicts.num_rows:
        return None
    stratum, verdict = (np.asarray(verdicts[name].to_pylist()) for name in ("stratum", "verdict"))
    band = np.floor(verdicts["weight"].to_numpy() / BAND).astype(np.int64) * BAND
    sizes = {LINKED: evidence.linked, BELOW: evidence.review}
    strata, bands = [], []
    for name, records in sizes.items():
        mine = stratum == name
        if mine.any():
            strata.append(_judged(verdict[mine], name, records=records))
        bands += [_judged(verdict[mine & (band == low)], name, weight_from=int(low)) for low in np.unique(band[mine])]
    return ClericalReview(strata=tuple(strata), bands=tuple(bands), near=_near({s.stratum: s for s in strata}))


def right_share(yes: int, unsure: int, judged: int, *, records: int | None = None, level: float = _LEVEL) -> Share:
    """Share of right pairs with an interval of at least 1 - ``level`` (Clopper and Pearson 1934).

    The lower bound counts unsure pairs as wrong, the upper one as right. Where all ``records`` were judged, nothing
    but the unsure ones is open.

    References: doi:10.1093/biomet/26.4.404.
    """
    from scipy.special import betaincinv

    low, high, most = 0.0, 1.0, yes + unsure
    if judged and judged == records:
        low, high = yes / judged, most / judged
    elif judged:
        low = float(betaincinv(yes, judged - yes + 1, level / 2)) if yes else 0.0
        high = float(betaincinv(most + 1, judged - most, 1 - level / 2)) if most < judged else 1.0
    return Share(part=yes, whole=judged, low=round(low, 6), high=round(high, 6))


def _judged(
    verdict: npt.NDArray[np.str_], stratum: str, *, records: int | None = None, weight_from: int | None = None
) -> Judged:
    yes, unsure = (int((verdict == each.value).sum()) for each in (Verdict.YES, Verdict.UNSURE))
    right = right_share(yes, unsure, len(verdict), records=records)
    return Judged(stratum=stratum, weight_from=weight_from, records=records, unsure=unsure, right=right)


def _near(strata: Mapping[str, Judged]) -> tuple[float, float] | None:
    """Linked true pairs over those and the ones between the thresholds, each count at its worst and at its best."""
    if {LINKED, BELOW} - set(strata):
        return None
    linked, below = ((strata[name].records or 0, _wide(strata[name])) for name in (LINKED, BELOW))
    low, high = (
        _ratio(linked[0] * ours, below[0] * theirs)
        for ours, theirs in ((linked[1].low, below[1].high), (linked[1].high, below[1].low))
    )
    return None if low is None or high is None else (low, high)


def _wide(found: Judged) -> Share:
    return right_share(found.right.part, found.unsure, found.right.whole, records=found.records, level=_BOTH)


def _coarse(low: float, high: float) -> tuple[float, float]:
    return math.floor(low * _STEPS) / _STEPS, math.ceil(high * _STEPS) / _STEPS


def _ratio(linked: float, missed: float) -> float | None:
    return round(linked / (linked + missed), 6) if linked + missed else None
