"""What the pages say of the rest of the repository is so: links, files, tests, terms, worked figures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import CHECKOUT, DOCS

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
FILE = re.compile(
    r"`((?:enclave|synthetic|pseudonymise|linkage|analyses|output_control|pipeline|configs|tests|tools)/[\w./-]+)`"
)
PAGES = [*sorted(DOCS.rglob("*.md")), CHECKOUT / "README.md", CHECKOUT / "SECURITY.md"]


def name(page: Path) -> str:
    return str(page.relative_to(CHECKOUT))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_to_files_and_headings_that_are_there(page: Path) -> None:
    targets = [first or second for first, second in LINK.findall(CODE.sub("", page.read_text()))]
    dead = []
    for target in targets:
        if target.startswith(("http://", "https://")):
            continue
        place, _, heading = target.partition("#")
        file = (page.parent / place).resolve() if place else page
        if not file.exists() or (heading and heading not in anchors(file)):
            dead.append(target)

    assert dead == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    missing = [
        path for path in FILE.findall(page.read_text()) if not any(mark in path for mark in "<>*") and not exists(path)
    ]

    assert missing == []


def exists(path: str) -> bool:
    # the page on adding an analysis names the files that its reader will make
    return (CHECKOUT / path).exists() or "home_types" in path


def test_every_test_that_the_security_page_names_exists() -> None:
    named = TEST.findall((CHECKOUT / "SECURITY.md").read_text())
    missing = [f"{file}::{test}" for file, test in named if f"def {test}(" not in (CHECKOUT / file).read_text()]

    assert len(named) > 30
    assert missing == []


def test_every_boundary_of_the_security_page_names_code_and_a_test() -> None:
    promised, guarding = (CHECKOUT / "SECURITY.md").read_text().split("## What guards each boundary")
    boundaries = re.findall(r"^\| (B\d+) \|", promised, flags=re.MULTILINE)
    parts = dict(re.findall(r"^\*\*(B\d+)\*\*(.*?)(?=^\*\*B|\Z)", guarding, flags=re.MULTILINE | re.DOTALL))

    assert len(boundaries) > 10
    assert [*parts] == boundaries
    bare = [name for name, part in parts.items() if not FILE.search(part.splitlines()[0]) or not TEST.search(part)]
    assert bare == []


TERMS = (
    "attacker's interval",
    "audit",
    "bundle",
    "classification",
    "contributor",
    "custodian",
    "delivery",
    "doelbinding",
    "evidence",
    "keyed hash",
    "primary / secondary suppression",
    "project integer",
    "protected unit",
    "protection level",
    "receipt",
    "retention date",
    "roster",
    "singleton",
    "zone",
)


@pytest.mark.parametrize("term", TERMS)
def test_a_term_that_the_pages_use_stands_in_the_glossary(term: str) -> None:
    rows = [line.split("|")[1] for line in (DOCS / "glossary.md").read_text().splitlines() if line.startswith("|")]

    assert any(term in row for row in rows)


def test_the_worked_table_of_output_control_has_the_intervals_that_the_page_says() -> None:
    """All tables of counts that agree with what is published: rows 35 and 40, columns 49 and 26."""
    tables = [
        (north_garage, north_phone, south_garage, south_phone)
        for north_phone in range(36)
        for north_garage in [35 - north_phone]
        for south_phone in [26 - north_phone]
        for south_garage in [49 - north_garage]
        if south_phone >= 0 and south_garage >= 0 and south_garage + south_phone == 40
    ]
    intervals = [(min(column), max(column)) for column in zip(*tables, strict=True)]

    assert intervals == [(9, 35), (0, 26), (14, 40), (0, 26)]
    page = (DOCS / "explanation" / "output-control.md").read_text()
    assert all(f"{low} … {high}" in page for low, high in intervals)


def test_the_dutch_page_for_municipalities_has_the_steps_and_commands_of_the_english_one() -> None:
    english, dutch = ((DOCS / "tutorial" / f"{page}.md").read_text() for page in ("municipality", "gemeente"))
    commands = [re.findall(r"^zicht (\w+ [\w-]+)", page, re.MULTILINE) for page in (english, dutch)]

    assert len(commands[0]) > 10
    assert sorted(set(commands[0])) == sorted(set(commands[1]))
    assert len(re.findall(r"^## ", english, re.MULTILINE)) == len(re.findall(r"^## ", dutch, re.MULTILINE))
