"""What every test may use: the shared reference data, and a project-wide Hypothesis profile."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from enclave.allocator import keep_freed_memory
from pseudonymise import unlocking

settings.register_profile("everyday", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("sweep", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "everyday"))

# Java's optimising compiler takes more time than it saves in runs of seconds; a sandbox clears this, as it should.
os.environ.setdefault("SPARK_SUBMIT_OPTS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")

keep_freed_memory()  # as every command does

pytest_plugins = ["tests.softhsm"]
CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """Others' reference data beside the checkout; never committed."""
    folder = CHECKOUT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("the shared reference data is not beside this checkout")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _stretched_once() -> Iterator[None]:
    """Within a worker a passphrase is stretched at its full cost once for each salt: hundreds of tests open a store."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unlocking, "_derived", functools.cache(unlocking._derived))
        yield


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is made once for several tests is made by one worker: one Spark session and Java process per run, and one of
    each fixture of a module or folder."""
    for item in items:
        if not item.get_closest_marker("xdist_group"):
            group = "spark" if item.get_closest_marker("spark") else _maker(item)
            if group:
                item.add_marker(pytest.mark.xdist_group(group))


MADE_FOR_ALL_WORKERS = {"small_job", "main_job"}  # whichever asks first makes it


def _maker(item: pytest.Item) -> str:
    """The folder, else the module, whose fixtures outlive a test that asks for them; empty when it asks for none."""
    found = getattr(item, "_fixtureinfo", None)
    defined = {} if found is None else found.name2fixturedefs
    asked = [each[-1] for name, each in defined.items() if name not in MADE_FOR_ALL_WORKERS and "/" in each[-1].baseid]
    places = {"session": lambda each: each.baseid, "module": lambda _: item.nodeid.split("::")[0]}
    return min((places[each.scope](each) for each in asked if each.scope in places), key=len, default="")
