"""What a checker sees of a request: its outputs, why cells are hidden, what an attacker finds, texts and decisions.

Plain values for a command or a page to print. They hold confidential figures from the annex: for checkers only.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from output_control.review.cases import Case
from output_control.review.request_file import ANNEX
from output_control.review.states import State

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBERS = ("records", "units", "value", "top1", "top2", "top3", "lower", "upper")


@dataclass(frozen=True, slots=True)
class DecisionView:
    """One earlier decision."""

    person: str
    action: str
    time: str
    remark: str


@dataclass(frozen=True, slots=True, eq=False)
class OutputView:
    """One output with its evidence.

    ``released`` is what leaves. ``cells`` (tables only) has a row per non-empty cell: its codes, ``records``,
    ``units``, ``value``, largest contributions, the attacker's interval ``lower``–``upper`` where it was computed
    (null upper: no bound), ``status`` and ``reason``. ``suppressed_share`` is of the non-empty cells, null for models.
    """

    name: str
    title: str
    kind: str
    released: pa.Table
    evidence: Mapping[str, Any]
    cells: pa.Table | None
    summary: Mapping[str, Any]
    suppressed_share: float | None


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A request as its checkers see it."""

    request: str
    state: State
    project: str
    analysis: str
    version: int
    author: str
    title: str
    context: str
    controls: str
    outputs: tuple[OutputView, ...]
    policy: Mapping[str, Any]
    inputs: Mapping[str, str]
    fingerprint: str
    decisions: tuple[DecisionView, ...]
    earlier: Mapping[str, tuple[State, tuple[DecisionView, ...]]]


def view(case: Case, earlier: Mapping[str, Case]) -> View:
    """Read the request's files, checked against its digests; ``earlier`` are other requests for the same analysis.

    Raises:
        Tampered: a file is not the one that the author signed.
    """
    document = case.request.document
    outputs, evidence, annex = (case.request.files(part) for part in ("outputs", "evidence", ANNEX))
    stems = [name.removeprefix("outputs/").removesuffix(".csv") for name in outputs if name.endswith(".csv")]
    return View(
        request=case.request.id,
        state=case.state,
        project=document.project,
        analysis=document.analysis,
        version=document.version,
        author=document.author,
        title=document.title,
        context=document.context,
        controls=document.controls,
        outputs=tuple(_output(stem, outputs, evidence, annex) for stem in stems),
        policy=_json(case.request.policy()),
        inputs=document.inputs,
        fingerprint=document.fingerprint,
        decisions=_decisions(case),
        earlier={name: (other.state, _decisions(other)) for name, other in earlier.items()},
    )


def _decisions(case: Case) -> tuple[DecisionView, ...]:
    said = ((decision.signed.statement, decision.entry.time) for decision in case.decisions)
    return tuple(DecisionView(s.person, s.action.value, time, s.remark) for s, time in said)


def _output(
    stem: str, outputs: Mapping[str, bytes], evidence: Mapping[str, bytes], annex: Mapping[str, bytes]
) -> OutputView:
    said = _json(evidence.get(f"evidence/{stem}.json"))
    cells = annex.get(f"{ANNEX}/{stem}.cells.csv")
    return OutputView(
        name=stem,
        title=str(said.get("title", stem)),
        kind=str(said.get("kind", "unknown")),
        released=_read_csv(outputs[f"outputs/{stem}.csv"]),
        evidence=said,
        cells=None if cells is None else _read_csv(cells),
        summary=_json(annex.get(f"{ANNEX}/{stem}.json")),
        suppressed_share=_suppressed_share(said.get("cells")),
    )


def _suppressed_share(counts: Any) -> float | None:
    if not isinstance(counts, Mapping) or not {"all", "published_zero", "suppressed"} <= counts.keys():
        return None
    filled = int(counts["all"]) - int(counts["published_zero"])
    return int(counts["suppressed"]) / filled if filled else 0.0


def _json(content: bytes | None) -> Mapping[str, Any]:
    """A document that is missing, or is no JSON object, says nothing."""
    try:
        listed = json.loads(content) if content else {}
    except ValueError:
        return {}
    return listed if isinstance(listed, Mapping) else {}


def _read_csv(content: bytes) -> pa.Table:
    """Codes stay text with their leading zeros; only figures become numbers."""
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    header = next(csv.reader(io.StringIO(content.decode("utf-8"))))
    types = {name: pa.float64() if name in _NUMBERS else pa.string() for name in header}
    return pa_csv.read_csv(io.BytesIO(content), convert_options=pa_csv.ConvertOptions(column_types=types))
