"""Linking again: the same bytes on any engine, threads and place, stable numbers, and after a kill."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from enclave.entropy import SecureEntropy
from enclave.project import Project
from linkage.link import LinkResult
from linkage.units import REMAP
from tests.linkage.conftest import Keys, Site, pseudonymised
from tests.linkage.linked_rows import delivered, key_register, numbers, rows
from tests.linkage.test_memberships import FAMILY, HOUSEHOLD


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_linking_again_changes_no_byte(site: Site, tmp_path: Path) -> None:
    again = site.at(tmp_path)
    again.run(threads=1)
    first = files(again.out)
    result = again.run(threads=2, entropy=SecureEntropy())
    assert files(again.out).keys() == first.keys()
    changed = {name for name, content in files(again.out).items() if content != first[name]}
    assert changed <= {"linkage.json", "linkage.md"}  # they say how many units were new
    assert result.report.key_tables.new_units == 0


def test_one_and_two_threads_and_another_place_give_the_same_bytes(
    site: Site, linked: LinkResult, tmp_path: Path
) -> None:
    two = site.at(tmp_path / "elsewhere" / "deeper")
    two.run(threads=2)
    assert files(two.out) == files(site.out)
    assert numbers(two) == numbers(site)


def _some(project: Project, names: set[str]) -> Project:
    """The project with some of its data sets only."""
    questions = {
        name: question.model_copy(update={"uses": {n: c for n, c in question.uses.items() if n in names}})
        for name, question in project.questions.items()
    }
    data = {name: found for name, found in project.data.items() if name in names}
    return project.model_copy(update={"data": data, "questions": questions})


@pytest.mark.spark
def test_spark_links_to_the_same_bytes(site: Site, tmp_path: Path) -> None:
    """Every kind of key: deliveries with one and with several identifiers, owners, households, register pairs."""
    some = _some(site.project, {"transfers", "debts", "persons", "property_2016", "household_link_2015"})
    (person,) = some.data["debts"].keys
    keys = (person.model_copy(update={"nonlinkage_weights": True}), HOUSEHOLD, FAMILY)
    weighed = some.data["debts"].model_copy(update={"keys": keys})
    some = some.model_copy(update={"data": {**some.data, "debts": weighed}})
    sites = [site.at(tmp_path / name, project=some) for name in ("duckdb", "spark")]
    reports = [sites[0].run().report, sites[1].run(name="spark", threads=2).report]
    assert files(sites[0].out) == files(sites[1].out)
    assert numbers(sites[0]) == numbers(sites[1])
    assert reports[0] == reports[1]


@pytest.mark.spark
@pytest.mark.sweep
def test_spark_links_the_whole_project_to_the_same_bytes(site: Site, linked: LinkResult, tmp_path: Path) -> None:
    spark = site.at(tmp_path)
    result = spark.run(name="spark", threads=2)
    assert files(spark.out) == files(site.out)
    assert result.report == linked.report


def test_a_later_delivery_adds_units_and_changes_no_number(site: Site, tmp_path: Path) -> None:
    early = site.at(tmp_path, frames={name: frames[:1] for name, frames in site.frames.items()})
    without = {name: frames[1:] for name, frames in site.frames.items()}
    assert any(without.values())
    early.run()
    before = numbers(early)
    late = site.at(tmp_path, frames=site.frames)
    result = late.run()
    after = numbers(late)
    assert before.items() <= after.items()
    assert result.report.key_tables.new_units == len(after) - len(before)
    assert len(set(after.values())) == len(after)


def test_numbers_of_two_projects_have_nothing_in_common(site: Site, linked: LinkResult, tmp_path: Path) -> None:
    """Same persons, same seed: of 2,000 numbers in 2^53 none is shared, and their orders are uncorrelated."""
    other = site.project.model_copy(update={"name": "anders"})
    keys = Keys("anders")
    second = site.at(
        tmp_path, project=other, keys=keys, frames=pseudonymised(site.country, tmp_path / "pseudonymised", keys)
    )
    second.run()
    mine, theirs = numbers(site), numbers(second)
    shared = sorted(unit for unit in mine if unit in theirs)
    assert len(shared) > 1500
    assert not set(mine.values()) & set(theirs.values())
    pairs = np.array([(mine[unit], theirs[unit]) for unit in shared], dtype=float)
    # The correlation of n independent pairs has standard deviation 1/sqrt(n - 1); 5 of these never happen by chance.
    assert abs(np.corrcoef(pairs.T)[0, 1]) < 5 / np.sqrt(len(shared) - 1)
    hashes = [set(pq.read_table(s.zone.folder / "hashes-000001.parquet")["hash"].to_pylist()) for s in (site, second)]
    assert not hashes[0] & hashes[1]


def test_who_enters_the_register_later_is_remapped(site: Site, country: Path, tmp_path: Path) -> None:
    """Half of the persons are unknown at first; the remap table names each that a delivery had under another number."""
    reduced = tmp_path / "register"
    reduced.mkdir()
    for name in ("addresses", "entities", "persons"):
        table = pq.read_table(country / "key_register" / f"{name}.parquet")
        pq.write_table(table.slice(0, 500) if name == "persons" else table, reduced / f"{name}.parquet")
    own = site.at(tmp_path / "site")
    own.run(key_register=reduced)
    before = pq.read_table(own.out / "transfers.parquet").to_pandas()
    persons = set(key_register(country, "persons")["bsn"][500:])
    buyers = delivered(country, "kadaster/*")
    others = delivered(country, "GM*/*.csv")["occupant_bsn"].tolist() + delivered(country, "GM*/*.xlsx")["bsn"].tolist()
    expected = persons & (set(buyers["buyer_bsn"]) | set(others))
    assert len(expected) > 50
    own.run()
    after = pq.read_table(own.out / "transfers.parquet").to_pandas()
    remap = pq.read_table(own.zone.folder / REMAP).to_pandas()
    assert len(remap) == len(expected)
    assert set(remap["version"]) == {2}
    changes = dict(zip(remap["unmatched"], remap["matched"], strict=True))
    replaced = before.assign(buyer=[changes.get(number, number) for number in before["buyer"]])
    columns = [name for name in before if name != "buyer_status"]
    assert rows(replaced[columns]) == rows(after[columns])
    own.run()
    assert pq.read_table(own.zone.folder / REMAP).num_rows == len(expected)


_KILLED = """
import os, signal, sys
from pathlib import Path
import linkage.link, linkage.units
from tests.linkage.conftest import *
point, country, root, frames = sys.argv[1], *map(Path, sys.argv[2:5])
def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
site = Site(country, root, by_identifier_only(), pseudonymised(country, frames, Keys("ondermijning")))
if point == "before the numbers": linkage.units._commit = die
if point == "after the numbers": linkage.link.update_remap = die
if point == "in the key table": linkage.key_zone.write_bytes = die
data_set = point.removeprefix("at ")
site.run(progress=lambda name: die() if name == data_set else None)
"""


@pytest.mark.parametrize(
    "point", ["in the key table", "before the numbers", "after the numbers", "at debts", "at transfers"]
)
def test_killed_anywhere_and_run_again_the_result_is_the_undisturbed_one(
    site: Site, linked: LinkResult, tmp_path: Path, point: str
) -> None:
    arguments = [str(path) for path in (site.country, tmp_path / "site", tmp_path / "frames")]
    done = subprocess.run([sys.executable, "-c", _KILLED, point, *arguments], check=False)
    assert done.returncode == -signal.SIGKILL
    again = site.at(tmp_path / "site")
    again.run()
    assert numbers(again) == numbers(site)
    assert {n: c for n, c in files(again.out).items() if n.endswith(".parquet")} == {
        n: c for n, c in files(site.out).items() if n.endswith(".parquet")
    }
    assert not list((tmp_path / "site" / "scratch").iterdir())
