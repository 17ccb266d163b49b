"""The report: what each reader may see, that nothing in it runs, and that everyone can read it."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from output_control.alternatives.allowed import CellKey, Coarser, Rounding
from output_control.alternatives.cell_keys import record_keys
from output_control.alternatives.comparison import Subject, compare, comparison_document
from output_control.alternatives.controlled_rounding import round_controlled
from output_control.alternatives.feasible import audit_altered
from output_control.alternatives.loss import loss
from output_control.audit import audit
from output_control.protection import Options
from output_control.report.contents import DimensionLabels, EarlierFinding, Language, Report, Texts
from output_control.report.crosstab import ROWS_SHOWN
from output_control.report.owner import owner_pages
from output_control.report.page import report_page
from output_control.report.skeleton import Audience
from output_control.report.style import COLOURS, LINE_PAIRS, STYLE, TEXT_PAIRS
from output_control.report.texts import TEXTS
from output_control.suppression import suppress
from output_control.tables.rules import MinimumFrequency, PrimaryResult, primary
from output_control.tables.table import CellTable, Dimension
from tests.output_control.gate_world import World, random_homes, table_request
from tests.output_control.tables import cell, counts, flat

HOSTILE = '<img src=x onerror="alert(1)">&\'</td></style><script>alert(2)</script>'
READERS = list(itertools.product(("nl", "en"), ("checkers", "author", "owner")))
OPTIONS = Options(method="flow")


def shops() -> CellTable:
    dims = (flat("district", ("North", "South", "Harbour")), flat("shop", ("garage", "phone", "salon")))
    figures = (31, 4, 25, 18, 22, 40, 27, 14, 35)
    return counts(dims, dict(zip(itertools.product(dims[0].leaves, dims[1].leaves), figures, strict=True)))


def report(table: CellTable, label: str = "", *, altered: bool = False, reason: str = "freq") -> Report:
    sensitive = primary(table, MinimumFrequency(10))
    hidden, published, lower, upper = np.zeros(len(table), np.bool_), table.value, *(np.full(len(table), np.nan),) * 2
    if altered:
        rounded = round_controlled(table, 5, np.full(len(table), 0.5))
        checked, published = audit_altered(table, sensitive, rounded, OPTIONS), rounded.published.astype(float)
    else:
        pattern = suppress(table, sensitive, options=OPTIONS)
        checked, hidden = audit(table, sensitive, pattern, OPTIONS), pattern.suppressed
    lower, upper = lower.copy(), upper.copy()
    lower[sensitive.mask], upper[sensitive.mask] = checked.lower, checked.upper
    keys = record_keys(np.arange(len(table), dtype=np.int64), bytes(32))
    ways = (Coarser(method="coarser"), Rounding(method="rounding", bases=(5,)))
    noise = CellKey(method="cell_key", largest=3, variance=1.0, withheld=0)
    return Report(
        title=label or "Shops",
        facts=(({"nl": "Eenheid", "en": "Unit"}, label or "shop"),),
        table=table,
        dims=tuple(_labels(dim, label) for dim in table.dims),
        published=published,
        hidden=hidden,
        sensitive=sensitive.mask,
        reason=np.where(sensitive.mask, reason, ""),
        lower=lower,
        upper=upper,
        intervals_exact=False,
        loss=loss(table, published, hidden),
        altered="every figure rounded to a multiple of 5" if altered else "",
        least_units=10,
        comparison=compare(Subject(table, sensitive, OPTIONS, 10, keys), (*ways, noise)),
        earlier=(
            EarlierFinding(label or "shops-v1-abc", dict.fromkeys(("nl", "en"), label or "differs by one district")),
        ),
        cells_file="shops.cells.csv",
    )


def _labels(dim: Dimension, label: str) -> DimensionLabels:
    title: Texts = {"nl": label or dim.name, "en": label or dim.name}
    named: tuple[Texts, ...] = tuple({"nl": label or f"{code} nl", "en": label or f"{code} en"} for code in dim.codes)
    return DimensionLabels(title, named)


def page(shown: Report, language: Language = "en", audience: Audience = "checkers") -> str:
    return report_page(shown, language, audience, other="other.html").decode()


class Elements(HTMLParser):
    """Every element with its attributes and the text below it; fails on markup that is not nested properly."""

    VOID = ("meta", "br", "img", "link")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.inside == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.inside.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


# nothing runs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("language", "audience"), READERS)
@pytest.mark.parametrize("altered", [False, True])
def test_hostile_labels_titles_and_findings_stay_text(language: Language, audience: Audience, altered: bool) -> None:
    dims = (
        Dimension("d", HOSTILE, {HOSTILE: (HOSTILE + "1", HOSTILE + "2")}),
        Dimension("e", "all", {"all": (HOSTILE + "3", "plain")}),
    )
    inner = dict(zip(itertools.product(dims[0].leaves, dims[1].leaves), (4, 30, 20, 40), strict=True))
    shown = report(counts(dims, inner), HOSTILE, altered=altered)
    text = page(shown, language, audience)
    elements = Elements(text)

    assert not elements.all("script") and not elements.all("img")
    assert not any(name.startswith("on") for _, attributes in elements.found for name in attributes)
    assert text.count("<style>") == text.count("</style>") == 1
    assert any(HOSTILE in data for data in elements.texts)


@pytest.mark.parametrize("audience", ["checkers", "author", "owner"])
def test_the_page_needs_nothing_from_outside_and_its_policy_says_so(audience: Audience) -> None:
    text = page(report(shops()), audience=audience)
    elements = Elements(text)
    policy = next(m["content"] for m in elements.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style and policy
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()

    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert not any(attributes.get("style") for _, attributes in elements.found)
    assert "http:" not in text and "https:" not in text and "url(" not in text and "@import" not in text
    assert [a["href"] for a in elements.all("a") if not str(a["href"]).startswith("#")] == ["other.html"]


# who sees what -------------------------------------------------------------------------------------------------------


def test_checkers_see_figures_reasons_intervals_and_earlier_releases() -> None:
    shown = report(shops())
    text = page(shown)
    place = cell(shown.table, "North", "phone")

    assert f"{shown.lower[place]:.0f} – {shown.upper[place]:.0f}" in text
    assert "fewer than 10 units" in text and "or else another cell could be worked out" in text
    assert "differs by one district" in text
    assert text.count('<td class="primary">') == 1
    assert text.count('<td class="secondary">') == int(shown.hidden.sum()) - 1


@pytest.mark.parametrize("reason", ["nk", "p", "group", "nk+p"])
def test_the_author_cannot_tell_a_dominance_primary_from_a_secondary(reason: str) -> None:
    shown = report(shops(), reason=reason)
    text = page(shown, audience="author")
    rows = re.findall(r"<tr>((?:<th scope=\"row\"[^>]*>.*?</th>){2})<td>(.*?)</td></tr>", text)

    assert {said for _, said in rows} == {"needed for protection (the rules are confidential)"}
    assert len(rows) == int(shown.hidden.sum())
    assert not any("primary" in said for said in Elements(text.replace(STYLE, "")).texts)


def test_the_author_is_not_told_which_or_how_many_cells_no_suppression_protects() -> None:
    table = shops()
    sensitive = replace(primary(table, MinimumFrequency(10)), reason=np.full(len(table), "p"))
    stuck = Options(method="flow", keep=~sensitive.mask)
    rows = compare(Subject(table, sensitive, stuck, 10, record_keys(np.arange(len(table)), bytes(32))), ())
    assert rows[0].loss is None and rows[0].sensitive == 1
    told = json.dumps(comparison_document(rows, confidential=False))
    assert "stay open to an attacker" in told
    assert "phone" not in told and "1" not in told.split('"measured_over"')[0]
    said = page(replace(report(table), comparison=rows), audience="author").split('id="comparison"')[1]
    said = said.split("</section>")[0]
    assert "stay open to an attacker" in said and "phone" not in said and "1 " not in said


def test_the_author_sees_no_hidden_figure_no_interval_and_no_count_of_sensitive_cells() -> None:
    table = counts(
        shops().dims,
        {**dict.fromkeys(itertools.product(*(dim.leaves for dim in shops().dims)), 1000), ("North", "phone"): 7},
    )
    shown = report(table)
    text = page(shown, audience="author").split("</style>")[1]

    assert "·" in text
    assert ">7<" not in text and " 7<" not in text
    assert "interval" not in text.lower().replace("the interval that is asked", "")
    assert "for their own sake" not in text and "Sensitive cells" not in text and "left open" not in text
    assert "fewer than 10 units" in text


def test_figures_that_were_changed_stand_before_the_true_ones_for_checkers_alone() -> None:
    shown = report(shops(), altered=True)
    place = cell(shown.table, "North", "phone")
    pair = re.compile(
        r'▲</span> 5 <span role="img" aria-label="true figure">≈</span> <span class="true">4</span>'.replace(
            "true figure", '[^"]*'
        )
    )

    assert (shown.published[place], shown.table.value[place]) in ((5.0, 4.0), (0.0, 4.0))
    assert ("≈" in page(shown)) and ("≈" not in page(shown, audience="author").split("</style>")[1])
    assert pair.search(page(shown)) or shown.published[place] == 0.0


def test_the_gate_writes_both_versions_and_the_authors_holds_no_interval(tmp_path: Path) -> None:
    out = World(tmp_path).add("homes", random_homes(1, 900, 400)).check(table_request("region", "kind"))
    checkers = out.checker_annex["annex/demo/homes.report.en.html"].decode()
    author = out.researcher_files["demo/homes.report.en.html"].decode()

    assert "For output checkers only" in checkers and "Attacker&#x27;s interval" in checkers
    assert "Attacker&#x27;s interval" not in author and "For who asked for the table" in author
    assert "Vertrouwelijk" in out.checker_annex["annex/demo/homes.report.nl.html"].decode()


# everyone can read it ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("language", "audience"), READERS)
@pytest.mark.parametrize("altered", [False, True])
def test_structure_headings_captions_and_language(language: Language, audience: Audience, altered: bool) -> None:
    elements = Elements(page(report(shops(), altered=altered), language, audience))
    names = [name for name, _ in elements.found]
    levels = [int(name[1]) for name in names if re.fullmatch(r"h[1-6]", name)]

    assert elements.all("html")[0]["lang"] == language
    assert next(a for a in elements.all("a") if a["href"] == "other.html")["hreflang"] != language
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))
    assert names.count("table") == names.count("caption") > 1
    assert all(heading.get("scope") in ("row", "col") for heading in elements.all("th"))
    assert names.count("main") == names.count("header") == 1
    targets = {attributes["id"] for _, attributes in elements.found if attributes.get("id")}
    assert {str(a["href"])[1:] for a in elements.all("a") if str(a["href"]).startswith("#")} <= targets
    # what scrolls can be reached by keyboard and has a name; every mark is spoken
    assert all(d.get("tabindex") == "0" and d.get("aria-label") for d in elements.all("div"))
    assert all(s.get("aria-label") for s in elements.all("span") if s.get("role") == "img")


def test_every_row_of_a_table_has_as_many_cells_as_its_head() -> None:
    for shown in (report(shops()), report(shops(), altered=True)):
        for table in re.findall(r"<table.*?</table>", page(shown), re.DOTALL):
            rows = re.findall(r"<tr.*?</tr>", table, re.DOTALL)
            widths = {
                sum(int(span or 1) for span in re.findall(r'<t[hd][^>]*?(?:colspan="(\d+)")?>', row)) for row in rows
            }
            assert len(widths) == 1


@pytest.mark.parametrize("place", [0, 1], ids=["light", "dark"])
def test_text_and_lines_stand_out_from_their_ground(place: int) -> None:
    """WCAG 2.2: text 4.5 : 1 (1.4.3), meaningful lines 3 : 1 (1.4.11)."""
    for pairs, least in ((TEXT_PAIRS, 4.5), (LINE_PAIRS, 3.0)):
        for ink, ground in pairs:
            assert contrast(COLOURS[ink][place], COLOURS[ground][place]) >= least, (ink, ground)
    assert STYLE.count(COLOURS["paper"][place]) >= 1


def contrast(one: str, other: str) -> float:
    """The formula of WCAG 2.2, from relative luminances."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_black_on_white_has_the_contrast_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


def test_every_text_stands_in_both_languages_with_the_same_parts() -> None:
    for name, (dutch, english) in TEXTS.items():
        assert dutch and english, name
        assert set(re.findall(r"{\w*}", dutch)) == set(re.findall(r"{\w*}", english)), name


# large tables --------------------------------------------------------------------------------------------------------


def test_a_large_table_is_cut_with_a_note_that_names_the_file_with_all_cells() -> None:
    dims = (flat("area", tuple(f"a{i}" for i in range(600))), flat("k", ("p", "q")))
    rng = np.random.Generator(np.random.Philox(key=2))
    inner = {place: int(rng.integers(1, 40)) for place in itertools.product(dims[0].leaves, dims[1].leaves)}
    table = counts(dims, inner)
    sensitive = primary(table, MinimumFrequency(3))
    shown = _plain(table, sensitive)
    text = page(shown)

    assert f"The first {ROWS_SHOWN} of 601 rows are shown. All cells are in shops.cells.csv." in text
    body = text.split('id="the_table"')[1].split("</section>")[0]
    assert body.count("<tr>") == ROWS_SHOWN + 1
    assert ">a398 en" in body and ">a399 en" not in body  # the total stands first
    assert len(text) < 400_000


def _plain(table: CellTable, sensitive: PrimaryResult) -> Report:
    """A report of a table too large to suppress in a test: every sensitive cell hidden, nothing solved."""
    shops_report = report(shops())
    hidden = sensitive.mask
    nowhere = np.full(len(table), np.nan)
    return replace(
        shops_report, table=table, dims=tuple(_labels(dim, "") for dim in table.dims), published=table.value,
        hidden=hidden, sensitive=hidden, reason=sensitive.reason, lower=nowhere, upper=nowhere,
        loss=loss(table, table.value, hidden),
    )  # fmt: skip


def test_the_owners_page_is_the_same_mechanism() -> None:
    table = shops()
    sensitive = primary(table, MinimumFrequency(10))
    pattern = suppress(table, sensitive, options=OPTIONS)
    pages = owner_pages("shops", table, sensitive, pattern, audit(table, sensitive, pattern, OPTIONS), options=OPTIONS)

    assert set(pages) == {"protection.html", "protection.nl.html"}
    english = pages["protection.html"].decode()
    # the explanation page works these intervals out by hand
    for place, low, high in (("garage", 9, 35), ("phone", 0, 26)):
        row = next(r for r in re.findall(r"<tr>.*?</tr>", english.split('id="why"')[1]) if "North" in r and place in r)
        assert f">{low} – {high}<" in row
