"""Every example in the documentation runs and prints what the page shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.pages import CHECKOUT, DOCS, examples, missing_lines, run_page
from tests.pipeline.job import copied_job, made_once

pytestmark = pytest.mark.xdist_group("main-job-docs")

# In the order in which a reader would take them: the checker's page goes on where the researcher's ends.
PAGES = (
    "how-to/reproduce-a-release.md",
    "tutorial/municipality.md",
    "tutorial/gemeente.md",
    "tutorial/custodian.md",
    "tutorial/researcher.md",
    "tutorial/checker.md",
    "how-to/protect-a-table.md",
    "how-to/choose-a-protection.md",
    "how-to/verify-a-release.md",
    "how-to/add-a-delivery-schema.md",
    "how-to/hold-the-keys.md",  # last: it changes who opens the key store
)


@pytest.fixture(scope="session")
def output_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[str]]:
    """What the blocks of a page print, after all earlier pages have run, in one folder with one small installation."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "configs").symlink_to(CHECKOUT / "configs")
    copied_job(made_once(tmp_path_factory, "small_job", persons=1000), folder / "build")
    ended: dict[str, list[str] | AssertionError] = {}

    def through(page: str) -> list[str]:
        for earlier in PAGES[: PAGES.index(page) + 1]:
            if earlier not in ended:
                try:
                    ended[earlier] = run_page(DOCS / earlier, folder)
                except AssertionError as failure:
                    ended[earlier] = failure
        end = ended[page]
        if isinstance(end, AssertionError):
            raise end
        return end

    return through


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_of_a_page_run_and_print_what_it_shows(page: str, output_of: Callable[[str], list[str]]) -> None:
    printed = output_of(page)

    for example, output in zip(examples(DOCS / page), printed, strict=False):
        assert missing_lines(example.shown, output) == [], f"{page} prints instead:\n{output}"


def test_every_page_with_marked_examples_is_run() -> None:
    marked = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if examples(page)}

    assert marked == set(PAGES)


def test_a_block_is_read_with_its_exit_code_and_output(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- test: exit 3 -->\n```sh\nexit 3\n```\n```text\na … c\n```\n")

    (example,) = examples(page)

    assert (example.script, example.code, example.shown) == ("exit 3\n", 3, ("a … c",))
    assert missing_lines(example.shown, "x\na b c\n") == []
    assert missing_lines(example.shown, "a b d\n") == ["a … c"]
    run_page(page, tmp_path)


def test_a_block_that_ends_otherwise_than_the_page_says_fails(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- test -->\n```sh\nfalse\n```\n")

    with pytest.raises(AssertionError, match="ends with 1"):
        run_page(page, tmp_path)
