"""A demonstration replaces no country that it did not make."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipeline.job import Job, content_of, zicht_here


@pytest.mark.parametrize("size", [("1000", "2"), ("1200", "1")])
def test_a_second_demonstration_does_not_replace_the_first_ones_country(small_job: Job, size: tuple[str, str]) -> None:
    before = content_of(small_job.country, "")
    persons, seed = size
    other = small_job.root / "other"
    done = zicht_here("demo", "--persons", persons, "--seed", seed, "--workspace", other)
    assert (done.code, other.exists()) == (2, False), done.said
    assert "nothing was replaced" in done.err
    assert "--country" in done.err
    assert content_of(small_job.country, "") == before


def test_a_demonstration_with_another_seed_replaces_nothing_of_its_own(small_job: Job) -> None:
    before = content_of(small_job.country, "")
    done = small_job.zicht("demo", "--persons", "1000", "--seed", "2")
    assert done.code == 2, done.said
    assert "made with another seed; nothing was replaced" in done.err
    assert content_of(small_job.country, "") == before


@pytest.mark.parametrize("country", ["run", "run/country", "."])
def test_a_country_that_shares_a_folder_with_the_workspace_is_refused_before_anything_is_made(
    tmp_path: Path, country: str
) -> None:
    kept = tmp_path / "run" / "kept"
    kept.parent.mkdir()
    kept.write_text("of a first demonstration")
    done = zicht_here("demo", "--persons", "1000", "--workspace", tmp_path / "run", "--country", tmp_path / country)
    assert done.code == 2, done.said
    assert "lie in one another" in done.err
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [kept]
