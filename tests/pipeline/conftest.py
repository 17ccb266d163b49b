"""The main job, run once per test session for each size."""

from __future__ import annotations

import pytest

from tests.pipeline.job import Job, run_job


@pytest.fixture(scope="session")
def main_job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """What ``make run`` does: 50,000 persons."""
    return run_job(tmp_path_factory.mktemp("main_job"), persons=50_000)


@pytest.fixture(scope="session")
def small_job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """1,000 persons: enough for V3; the gate refuses D2 for want of events."""
    return run_job(tmp_path_factory.mktemp("small_job"), persons=1000)
