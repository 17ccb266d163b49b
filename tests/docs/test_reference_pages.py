"""Pages that are made from the code are up to date, and say what a reader needs."""

from __future__ import annotations

import pytest

from enclave import errors
from pipeline.main import app
from pipeline.reference_pages import MADE, command_paths, reference_pages
from tests.docs.pages import CHECKOUT, DOCS

PAGES = reference_pages(app, CHECKOUT / "configs")
COMMANDS = command_paths(app)


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_generated_page_is_the_committed_one(name: str) -> None:
    committed = DOCS / "reference" / name

    assert committed.is_file(), "make docs"
    assert committed.read_text() == PAGES[name], "make docs, and commit it"


def test_no_generated_page_is_left_of_something_that_is_gone() -> None:
    reference = DOCS / "reference"
    made = {str(path.relative_to(reference)) for path in reference.rglob("*.md") if path.read_text().startswith(MADE)}

    assert made == {name for name in PAGES if name.endswith(".md")}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_shows_an_example_of_itself(words: tuple[str, ...]) -> None:
    own = PAGES["cli.md"].split(f"## zicht {' '.join(words)}\n")[1].split("\n## ")[0]

    # help is wrapped: the example may go over a line
    assert f"Example: zicht {' '.join(words)}" in " ".join(own.split())


def test_every_error_class_stands_with_its_exit_code() -> None:
    page = PAGES["errors.md"]
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.EnclaveError)]

    assert len(kinds) > 10
    assert all(f"| {kind.exit_code} | `{kind.__name__}` |" in page for kind in kinds)


def test_no_confidential_parameter_of_a_policy_stands_in_a_page() -> None:
    # the schema of that part names its fields; that it holds no value: tests/output_control/test_policy.py
    pages = {name: text for name, text in PAGES.items() if name != "policy.confidential.schema.json"}
    assert len(pages) == len(PAGES) - 1
    assert not any("p_percent" in text or "dominance:" in text for text in pages.values())
