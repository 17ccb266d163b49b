"""What ``zicht review show`` and ``zicht check`` print: plain text, wide tables cut to what a person reads first."""

from __future__ import annotations

import io
import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table

from output_control.review.view import DecisionView, OutputView, View

SHOWN_CELLS = 40
WIDTH = 160


def review_text(view: View) -> str:
    """A whole request for its checkers; holds confidential figures."""
    lines = [
        f"request {view.request}: {view.state.value} ({view.state.description()})",
        f"{view.project} / {view.analysis} v{view.version}, by {view.author}: {view.title}",
        *_paragraph("Context", view.context),
        *_paragraph("Controls", view.controls),
    ]
    for output in view.outputs:
        lines += ["", *_output(output)]
    code = f"annex/{view.analysis}/derivation-v{view.version}.py in the request's folder"
    lines += ["", f"Read the derivation too ({code}): its choice of categories can carry data."]
    lines += ["", *_decisions("Decisions", view.decisions)]
    for name, (state, decisions) in view.earlier.items():
        lines += _decisions(f"Earlier request {name} ({state.value})", decisions)
    return "\n".join(lines)


def files_text(outputs: Mapping[str, bytes], evidence: Mapping[str, bytes], advice: Sequence[str]) -> str:
    """What leaves and what was checked, as the researcher sees it: nothing of the checkers' annex."""
    lines = [
        f"{name}: {content.count(b'%c' % 10) - 1} rows" for name, content in outputs.items() if name[-4:] == ".csv"
    ]
    for content in evidence.values():
        said = json.loads(content)
        lines += [f"  {fact}" for fact in _facts(said)]
    return "\n".join([*lines, *(f"advice: {line}" for line in advice)])


_LOSSES = {
    "cells lost": "cells_lost",
    "value lost": "value_lost",
    "changed": "cells_changed",
    "mean dev.": "mean_absolute_deviation",
    "largest": "largest_deviation",
    "Hellinger": "hellinger_share",
}


def comparison_text(document: bytes) -> str:
    """The ways to protect one table side by side, as `comparison.json` lists them; what is unknown stays blank, and so
    is what the author of a table is not told."""
    rows = json.loads(document)["methods"]
    shown = Table(box=None, pad_edge=False)
    for name in ("protection", "protects"):
        shown.add_column(name, no_wrap=True)
    for name in (*_LOSSES, "adds up"):
        shown.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        way = " ".join(filter(None, (row["method"], row["parameters"])))
        if row["loss"] is None:
            shown.add_row(way, f"no: {row['reason']}")
            continue
        figures = [f"{row['loss'][name]:.6g}" if name in row["loss"] else "" for name in _LOSSES.values()]
        verdicts = ["yes" if row[name] else "NO" for name in ("safe", "additive")]
        shown.add_row(way, verdicts[0], *figures, verdicts[1])
    target = io.StringIO()
    Console(file=target, width=WIDTH, color_system=None).print(shown)
    return target.getvalue().rstrip()


def _paragraph(title: str, text: str) -> list[str]:
    return [f"{title}:", *textwrap.wrap(text, 110, initial_indent="  ", subsequent_indent="  ")]


def _output(output: OutputView) -> Iterator[str]:
    yield f"== {output.name} ({output.kind}): {output.title}"
    if output.suppressed_share is not None:
        yield f"   {output.suppressed_share:.1%} of the non-empty cells are hidden"
    yield from (f"   {fact}" for fact in _facts(output.evidence))
    if output.cells is None:
        yield from _rows(output.released, output.released.num_rows)
        yield from (f"   {name}: {value}" for name, value in output.summary.items())
        return
    hidden = output.cells.filter(pc.not_equal(output.cells["status"], "published"))
    yield f"   hidden cells with their reason and the attacker's interval (first {SHOWN_CELLS} of {hidden.num_rows}):"
    # of which group a cell tells is a sentence, and would be cut off in a column
    told = pc.unique(hidden["group"]).to_pylist() if "group" in hidden.column_names else []
    yield from _rows(hidden.drop_columns(["group"]) if told else hidden, hidden.num_rows)
    listed = sorted(filter(None, told))
    yield from (f"   group disclosure: {each}" for each in listed[:SHOWN_CELLS])
    if len(listed) > SHOWN_CELLS:
        yield f"   … {len(listed) - SHOWN_CELLS} more; all stand in the request's annex/ folder"


def _facts(said: Mapping[str, Any]) -> Iterator[str]:
    cells = said.get("cells")
    if isinstance(cells, Mapping):
        yield ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in cells.items()) + " cells"
    audit = said.get("audit")
    if isinstance(audit, Mapping):
        yield f"audit passed: {'yes' if audit.get('passed') else 'NO'}"
    yield from (f"checked: {check}" for check in said.get("checks", ()))
    yield from (f"note: {note}" for note in said.get("notes", ()))


def _rows(table: pa.Table, of: int) -> Iterator[str]:
    shown = Table(box=None, pad_edge=False)
    for name in table.column_names:
        shown.add_column(name, justify="right" if pa.types.is_floating(table[name].type) else "left", no_wrap=True)
    for row in table.slice(0, SHOWN_CELLS).to_pylist():
        shown.add_row(*(_cell(value) for value in row.values()))
    target = io.StringIO()
    Console(file=target, width=WIDTH, color_system=None).print(shown)
    yield from (f"   {line}" for line in target.getvalue().rstrip().splitlines())
    if of > SHOWN_CELLS:
        yield f"   … {of - SHOWN_CELLS} more; all stand in the request's annex/ folder"


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _decisions(title: str, decisions: Sequence[DecisionView]) -> list[str]:
    if not decisions:
        return [f"{title}: none yet"]
    told = [f"  {d.time} {d.person}: {d.action}{f' — {d.remark}' if d.remark else ''}" for d in decisions]
    return [f"{title}:", *told]
