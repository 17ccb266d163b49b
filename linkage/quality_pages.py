"""The linkage-quality report as a page of tables with pictures beside them.

Pictures are SVG, drawn by Vega-Lite in vl-convert without a browser or a network; every number in them stands in a
table.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Container, Iterable, Sequence
from pathlib import Path
from typing import Any

from enclave.files import write_text
from linkage.clerical_review import Judged
from linkage.quality import NOTABLE, SIMILAR, Balance, KeyQuality, QualityReport, Rates
from linkage.quality_html import html_page
from linkage.subgroups import SubgroupRates

NAME = "linkage_quality"
_PICTURE = re.compile(r"^!\[.*\]\((.*)\)$")
_INK, _QUIET, _WRONG = "#14487a", "#b6c7d6", "#b3541e"


def write_quality(report: QualityReport, folder: Path, *, mode: int) -> list[Path]:
    """Write the :func:`quality_files` into ``folder``."""
    files = quality_files(report)
    for name, text in files.items():
        write_text(folder / name, text, mode=mode)
    return [folder / name for name in files]


def quality_files(report: QualityReport) -> dict[str, str]:
    """``linkage_quality.json``, ``.md``, one SVG per picture, and ``.html`` with the pictures in it."""
    shown = report.labelled()
    drawn = {_picture_name(key, what): svg for key in shown.keys for what, svg in pictures(key).items()}
    markdown = page(shown, drawn)
    return {
        f"{NAME}.json": report.model_dump_json(indent=1) + "\n",
        f"{NAME}.md": markdown,
        f"{NAME}.html": html_page(markdown, drawn),
        **drawn,
    }


def page(report: QualityReport, drawn: Container[str]) -> str:
    """The report as Markdown, with the pictures whose names are in ``drawn``."""
    lines = [f"# Linkage quality: {report.project}", ""]
    for key in report.keys:
        lines += [
            *_head(key),
            *_review(key),
            *_passes(key),
            *_subgroups(key),
            *_balance(key),
            *_population(key),
            *_weights(key),
            *_totals(key),
            *_evidence(key),
        ]
    return "\n".join(line for line in lines if not (found := _PICTURE.match(line)) or found[1] in drawn)


def pictures(key: KeyQuality) -> dict[str, str]:
    """SVG by what it shows; a picture of nothing is left out."""
    shown = [found for found in key.passes if found.records is not None]
    seen = [cell for cell in key.balance if cell.difference is not None]
    judged = [found for found in key.subgroups if found.precision is not None or found.recall is not None]
    made = {}
    if judged:
        made["subgroups"] = _intervals(judged)
    beside = [cell for cell in key.population if cell.difference is not None]
    if beside:
        what = "standardised difference, linked persons against the register of persons"
        made["population"] = _dots(beside, "difference", what, NOTABLE)
    if key.review is not None and key.review.bands:
        made["review"] = _judged_bands(key.review.bands)
    if shown:
        made["passes"] = _bars([(found.name, found.records) for found in shown], "records linked, by pass")
    if seen:
        made["rate"] = _dots(seen, "rate", "share of delivered records that is linked", None)
        made["difference"] = _dots(seen, "difference", "standardised difference, linked against delivered", NOTABLE)
    if key.evidence is not None and key.evidence.weights:
        made["weights"] = _histogram(key)
    return made


def _picture_name(key: KeyQuality, what: str) -> str:
    return f"{NAME}-{key.data_set}-{key.key}-{what}.svg"


def _head(key: KeyQuality) -> list[str]:
    duplicates = "says nothing here" if key.duplicate_precision is None else f"{100 * key.duplicate_precision:.1f} %"
    return [
        f"## {key.data_set}: {key.key}",
        "",
        _when(key),
        "",
        *(_estimates(key, key.precision, key.recall, duplicates) if key.precision and key.recall else []),
    ]


def _estimates(key: KeyQuality, precision: Rates, recall: Rates, duplicates: str) -> list[str]:
    passes = "| of these, true pairs that some pass finds (recall of blocking) |"
    return [
        "| Estimate | Value |",
        "|---|--:|",
        f"| precision (records with an identifier, linked without it; 95 %) | {_interval(precision)} |",
        f"| recall (the same) | {_interval(recall)} |",
        *([f"{passes} {_interval(key.blocking)} |"] if key.blocking else []),
        f"| precision of single links by the duplicate method | {duplicates} |",
        "",
    ]


def _when(key: KeyQuality) -> str:
    if key.threshold is None:
        return "Records are linked by identifier only. Nothing here says how often an identifier is another's."
    if any(found.name == SIMILAR for found in key.passes):
        return (
            f"Records are filters, linked when the similarity (Dice) is at least {key.threshold} and no other "
            "candidate is near. No record has an identifier to judge precision and recall by; the duplicate method "
            "needs none."
        )
    return f"Records without a usable identifier are linked when the probability is at least {key.threshold}."


def _review(key: KeyQuality) -> list[str]:
    found = key.review
    if found is None:
        return []
    lines = [
        "### Judged by clerks",
        "",
        "Pairs of a sample that a person looked at (95 %): of the linked ones the share that is right is the "
        "precision. The interval holds whichever way the unsure ones are.",
        "",
        *([f"![pairs judged right]({_picture_name(key, 'review')})", ""] if found.bands else []),
        "| Pairs | Weight from | Of records | Judged | Right | Unsure | Share that is right |",
        "|---|--:|--:|--:|--:|--:|--:|",
        *(_judged_row(each) for each in (*found.strata, *found.bands)),
        "",
    ]
    if found.near:
        low, high = found.near
        lines += [
            f"Recall near the threshold, of the true pairs from the lower threshold on that are candidates: "
            f"{100 * low:.1f}–{100 * high:.1f} %. Pairs that no pass finds, or below that threshold, are not in it.",
            "",
        ]
    return lines


def _judged_row(found: Judged) -> str:
    weight = "all" if found.weight_from is None else str(found.weight_from)
    judged = bool(found.right.whole)
    counts = [f"{n:,}" if judged else "·" for n in (found.right.whole, found.right.part, found.unsure)]
    records = "" if found.weight_from is not None else _count(found.records)
    return "| " + " | ".join([found.stratum, weight, records, *counts, _between(found.right)]) + " |"


def _passes(key: KeyQuality) -> list[str]:
    if not key.passes:
        return []
    lines = ["### By pass", "", f"![records by pass]({_picture_name(key, 'passes')})", ""]
    lines += ["| Pass | Records |", "|---|--:|"]
    return [*lines, *(f"| {found.name} | {_count(found.records)} |" for found in key.passes), ""]


def _balance(key: KeyQuality) -> list[str]:
    lines = [
        "### Whom linkage misses",
        "",
        f"![linked share by category]({_picture_name(key, 'rate')})",
        "",
        f"![standardised differences]({_picture_name(key, 'difference')})",
        "",
        "The linked records against all that were delivered. A standardised difference of their shares beyond "
        f"±{NOTABLE} is an imbalance worth an adjustment.",
        "",
        *_unknown_of_unlinked(key),
        "| By | Category | Delivered | Linked | Rate | Share of delivered | Share of linked | Difference |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    return [*lines, *map(_balance_row, key.balance), ""]


def _unknown_of_unlinked(key: KeyQuality) -> list[str]:
    names = dict.fromkeys(cell.by for cell in key.balance if cell.delivered and cell.rate is None)
    if not names:
        return []
    told = "where it can be told: For whom it is right" if key.subgroups else "nowhere: no record is linked by likeness"
    return [
        f"By {', '.join(names)}: the register tells it, of linked records only. Of the others it is unknown, so there "
        f"is no rate; recall by it stands {told}.",
        "",
    ]


def _population(key: KeyQuality) -> list[str]:
    if not key.population:
        return []
    lines = [
        "### Against the population",
        "",
        f"![standardised differences from the population]({_picture_name(key, 'population')})",
        "",
        "Persons with a linked record against everybody in the register of persons, by what that register says. It "
        "shows for whom the linked data speak: whom the supplier deals with and whom linkage misses, together. What "
        "linkage alone does stands above.",
        "",
        "| By | Category | Population | Linked | Rate | Share of population | Share of linked | Difference |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    return [*lines, *map(_balance_row, key.population), ""]


def _balance_row(cell: Balance) -> str:
    if cell.delivered is None:
        return f"| {cell.by} | {cell.category} | · | · | · | · | · | · |"
    shares = ["–" if share is None else f"{100 * share:.1f} %" for share in (cell.rate, cell.share, cell.linked_share)]
    difference = "–" if cell.difference is None else f"{cell.difference:+.3f}"
    counts = [f"{cell.delivered:,}", _count(cell.linked)]
    return "| " + " | ".join([cell.by, cell.category, *counts, *shares, difference]) + " |"


def _weights(key: KeyQuality) -> list[str]:
    lines = [
        "### Weights for non-linkage",
        "",
        "A linked record of a cell stands for so many delivered ones. Cells are of what was delivered, and so known "
        "of unlinked records too. The weights put right what differs between cells, not what differs within them.",
        "",
        "| Cell | Weight |",
        "|---|--:|",
    ]
    return [*lines, *(f"| {found.cell} | {found.weight:.3f} |" for found in key.weights), ""]


def _subgroups(key: KeyQuality) -> list[str]:
    if not key.subgroups:
        return []
    lines = [
        "### For whom it is right",
        "",
        "Records with an identifier, linked without it, by supplier, municipality and what the register says of the "
        "true person (95 %).",
        "",
        f"![precision and recall by subgroup]({_picture_name(key, 'subgroups')})",
        "",
        "| By | Category | Precision | Recall |",
        "|---|---|--:|--:|",
    ]
    rows = [f"| {g.by} | {g.category} | {_between(g.precision)} | {_between(g.recall)} |" for g in key.subgroups]
    return [*lines, *rows, ""]


def _between(share: Any) -> str:
    return "·" if share is None else f"{100 * share.low:.1f}–{100 * share.high:.1f} %"


def _totals(key: KeyQuality) -> list[str]:
    if not key.totals:
        return []
    lines = [
        "### Effect on key totals",
        "",
        "How far a total is off when linked records stand for all: each alike, and by the weights above.",
        "",
        "| Column | Linked | Not linked | Alike | Weighted |",
        "|---|--:|--:|--:|--:|",
    ]
    rows = [
        f"| {found.column} | {_count(found.linked)} | {_count(found.unlinked)} | {_effect(found.plain)} "
        f"| {_effect(found.weighted)} |"
        for found in key.totals
    ]
    return [*lines, *rows, ""]


def _effect(share: float | None) -> str:
    return "·" if share is None else f"{100 * share:+.1f} %"


def _evidence(key: KeyQuality) -> list[str]:
    found = key.evidence
    if found is None:
        return []
    return [
        "### For the custodian",
        "",
        f"{found.wanted:,} records without an identifier, {found.linked:,} linked, {found.review:,} for clerical "
        f"review; {found.pairs:,} candidate pairs with {found.register_units:,} units, m trained on "
        f"{found.trained_on:,} records.",
        "",
        f"Labelled records: {found.precision.part:,} of {found.precision.whole:,} links right; "
        f"{found.recall.part:,} of {found.recall.whole:,} found. From the weights: precision "
        f"{_share(found.expected_precision)}, recall {_share(found.expected_recall)} of what the passes find.",
        "",
        f"![weights of best candidates]({_picture_name(key, 'weights')})",
        "",
        "| Weight from | Without identifier | Labelled, right | Labelled, wrong |",
        "|--:|--:|--:|--:|",
        *(f"| {b.low} | {b.wanted:,} | {b.right:,} | {b.wrong:,} |" for b in found.weights),
        "",
        "| Comparison | Level | m | u | Weight |",
        "|---|---|--:|--:|--:|",
        *(f"| {v.comparison} | {v.level} | {v.m:.4f} | {v.u:.2g} | {v.weight:+.1f} |" for v in found.levels),
        "",
    ]


def _count(count: int | None) -> str:
    return "·" if count is None else f"{count:,}"


def _share(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.2f} %"


def _interval(rates: Rates) -> str:
    return f"{100 * rates.low:.1f}–{100 * rates.high:.1f} %"


def _bars(values: Sequence[tuple[str, Any]], title: str) -> str:
    y = {"field": "name", "type": "nominal", "sort": None, "title": None}
    x = {"field": "n", "type": "quantitative", "title": title}
    text = {"field": "n", "type": "quantitative", "format": ","}
    return _svg(
        [{"name": name, "n": n} for name, n in values],
        {"mark": {"type": "bar", "color": _INK}, "encoding": {"x": x, "y": y}},
        {"mark": {"type": "text", "align": "left", "dx": 4}, "encoding": {"x": x, "y": y, "text": text}},
    )


def _dots(cells: Iterable[Balance], field: str, title: str, notable: float | None) -> str:
    values = [{"name": f"{c.by}: {c.category}", "x": getattr(c, field)} for c in cells]
    x = {"field": "x", "type": "quantitative", "title": title, "scale": {"zero": False}}
    y = {"field": "name", "type": "nominal", "sort": None, "title": None}
    layers: list[dict[str, Any]] = [
        {"mark": {"type": "point", "filled": True, "size": 60, "color": _INK}, "encoding": {"x": x, "y": y}}
    ]
    if notable is not None:
        bounds = {"values": [{"x": -notable}, {"x": notable}]}
        rule = {"type": "rule", "color": _WRONG, "strokeDash": [4, 3]}
        layers.append({"data": bounds, "mark": rule, "encoding": {"x": {"field": "x", "type": "quantitative"}}})
    return _svg(values, *layers)


def _judged_bands(bands: Sequence[Judged]) -> str:
    values = [
        {"name": f"{b.stratum}, weight from {b.weight_from}", "low": b.right.low, "high": b.right.high} for b in bands
    ]
    encoding = {
        "x": {
            "field": "low",
            "type": "quantitative",
            "title": "share that is right, 95 %",
            "scale": {"domain": [0, 1]},
        },
        "x2": {"field": "high"},
        "y": {"field": "name", "type": "nominal", "sort": None, "title": None},
    }
    return _svg(values, {"mark": {"type": "bar", "height": 3, "color": _INK}, "encoding": encoding})


def _intervals(groups: Sequence[SubgroupRates]) -> str:
    kinds = ("precision", "recall")
    values = [
        {"name": f"{group.by}: {group.category}", "kind": kind, "low": share.low, "high": share.high}
        for group in groups
        for kind in kinds
        if (share := getattr(group, kind)) is not None
    ]
    encoding = {
        "x": {"field": "low", "type": "quantitative", "title": "95 % interval", "scale": {"zero": False}},
        "x2": {"field": "high"},
        "y": {"field": "name", "type": "nominal", "sort": None, "title": None},
        "yOffset": {"field": "kind", "sort": list(kinds)},
        "color": {
            "field": "kind",
            "type": "nominal",
            "scale": {"domain": list(kinds), "range": [_INK, _WRONG]},
            "title": None,
        },
    }
    return _svg(values, {"mark": {"type": "bar", "height": 3}, "encoding": encoding})


def _histogram(key: KeyQuality) -> str:
    bins = key.evidence.weights if key.evidence else ()
    kinds = (("without identifier", "wanted"), ("labelled, right", "right"), ("labelled, wrong", "wrong"))
    values = [{"low": b.low, "kind": name, "n": getattr(b, field)} for b in bins for name, field in kinds]
    colours = {"domain": [name for name, _ in kinds], "range": [_QUIET, _INK, _WRONG]}
    encoding = {
        "x": {"field": "low", "type": "ordinal", "title": "weight of the best candidate, from"},
        "xOffset": {"field": "kind", "sort": colours["domain"]},
        "y": {"field": "n", "type": "quantitative", "title": "records"},
        "color": {"field": "kind", "type": "nominal", "scale": colours, "title": None},
    }
    return _svg(values, {"mark": "bar", "encoding": encoding})


def _svg(values: list[dict[str, Any]], *layers: dict[str, Any]) -> str:
    return _drawn(json.dumps({"width": 420, "data": {"values": values}, "layer": layers}))


@functools.lru_cache(maxsize=128)
def _drawn(chart: str) -> str:
    """Same chart, same bytes: numbers that the renderer counts on through its life are taken out of the ids."""
    import vl_convert

    drawn = str(vl_convert.vegalite_to_svg(chart))
    for at, name in enumerate(dict.fromkeys(re.findall(r'id="([^"]+)"', drawn))):
        drawn = re.sub(rf'(?<=["#]){re.escape(name)}(?=["\)])', f"part-{at}", drawn)
    return drawn + "\n"
