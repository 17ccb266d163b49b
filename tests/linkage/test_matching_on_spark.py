"""Matching on Spark finds the pairs of the embedded engine, with their weights, and says and leaves as little."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from enclave.project import UnitKind
from linkage.person_model import PERSONS
from linkage.probabilistic import Found, Result
from synthetic.misspelt_entities import misspelt_addresses, misspelt_entities
from synthetic.misspelt_persons import Planted, misspelt_persons
from tests.canary_search import Canaries, leaking_files
from tests.linkage import test_entities_and_addresses as others
from tests.linkage.conftest import CHECKOUT
from tests.linkage.test_probabilistic import run

pytestmark = pytest.mark.spark
LISTENING = "0A"


def require_same(one: Result, other: Result) -> None:
    """Same model, same candidates and chosen pairs; weights and probabilities but for the last bits of logarithms."""
    assert one.model == other.model
    assert one.pairs == other.pairs
    assert one.labelled.truth.equals(other.labelled.truth)
    for mine, theirs in ((one.found, other.found), (one.labelled.found, other.labelled.found)):
        require_same_pairs(mine, theirs)


def require_same_pairs(mine: Found, theirs: Found) -> None:
    assert mine.unit.equals(theirs.unit)
    for name in ("record", "rule", "links"):
        np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name))
    for name in ("weight", "probability"):
        np.testing.assert_allclose(getattr(mine, name), getattr(theirs, name), rtol=0, atol=1e-6)


# Eight of nine letters match, three of them in another order: Jaro is (8/9 + 8/9 + (8 - t) / 8) / 3, t being 1.5 on
# Spark and 1 on the embedded engine; with four first letters in common, 0.918 and 0.931. The level begins at 0.92.
ON_PAPER, IN_REGISTER = "Hazelpamp", "Hazelkamp"


def with_a_near_name(planted: Planted) -> Planted:
    """The last record that has a unit, and its unit, by two names that functions of likeness judge differently."""
    record = int(np.flatnonzero(planted.truth >= 0)[-1])
    tables = []
    for table, row, name in (
        (planted.register, int(planted.truth[record]), IN_REGISTER),
        (planted.delivery, record, ON_PAPER),
    ):
        names = table["surname"].to_pylist()
        names[row] = name
        tables.append(table.set_column(table.column_names.index("surname"), "surname", pa.array(names)))
    return Planted(tables[0], tables[1], planted.truth)


def test_spark_finds_the_same_pairs_with_the_same_weights(tmp_path: Path) -> None:
    """A model of two comparisons, two passes and no training on pairs, which all take Spark long to begin."""
    small = replace(
        PERSONS,
        comparisons=tuple(found for found in PERSONS.comparisons if found.name in ("surname", "birth")),
        passes=PERSONS.passes[:2],
        training=(),
    )
    planted = with_a_near_name(misspelt_persons(2_000, 400, seed=4))
    embedded, spark = (
        run(planted, tmp_path, known=200, units=small, engine=name, threads=threads)
        for name, threads in (("duckdb", 1), ("spark", 2))
    )
    require_same(embedded, spark)
    assert len(spark.found.record) > 150
    assert list(tmp_path.iterdir()) == []


@pytest.mark.sweep
def test_spark_links_persons_one_to_one_as_the_embedded_engine_does(tmp_path: Path) -> None:
    planted = misspelt_persons(50_000, 20_000, seed=3)
    embedded = run(planted, tmp_path, known=8_000, one_to_one=True)
    require_same(embedded, run(planted, tmp_path, known=8_000, one_to_one=True, engine="spark", threads=2))
    assert len(embedded.found.record) > 10_000


@pytest.mark.sweep
@pytest.mark.parametrize("kind", ["entity", "object"])
def test_spark_links_entities_and_addresses_as_the_embedded_engine_does(kind: UnitKind, tmp_path: Path) -> None:
    planted = {"entity": misspelt_entities, "object": misspelt_addresses}[kind](20_000, 5_000, seed=3)
    embedded = others.run(kind, planted, tmp_path)
    require_same(embedded, others.run(kind, planted, tmp_path, engine="spark", threads=2))
    assert len(embedded.found.record) > 3_000


_ALONE = """
import sys
from pathlib import Path
from synthetic.misspelt_persons import misspelt_persons
from tests.linkage.test_probabilistic import run
run(misspelt_persons(30_000, 10_000, seed=4), Path(sys.argv[1]), engine="spark", threads=2)
"""


def family(pid: int) -> Iterator[int]:
    """A process and all that descend from it."""
    yield pid
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                yield from family(int(child))


def addresses(pid: int) -> Iterator[str]:
    """Where the TCP sockets of a process listen, and both ends of those that are connected."""
    with contextlib.suppress(OSError):
        own = {link.readlink().name for link in Path(f"/proc/{pid}/fd").iterdir()}
        for table in ("tcp", "tcp6"):
            for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
                _, near, far, state, *_, inode = line.split()[:10]
                if f"socket:[{inode}]" in own:
                    yield from map(readable, (near,) if state == LISTENING else (near, far))


def readable(end: str) -> str:
    """An address as /proc writes it: words of four bytes in the machine's order."""
    words = bytes.fromhex(end.split(":", maxsplit=1)[0])
    found = ipaddress.ip_address(b"".join(words[at : at + 4][::-1] for at in range(0, len(words), 4)))
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)


@pytest.mark.sweep
def test_no_name_is_left_or_said_and_no_socket_leaves_the_machine(tmp_path: Path) -> None:
    planted = misspelt_persons(30_000, 10_000, seed=4)
    names = [*planted.register["surname"].unique().to_pylist()[:400], *planted.register["bsn"].to_pylist()[5000:5400]]
    scratch, home, temporary = (tmp_path / name for name in ("scratch", "home", "tmp"))
    for folder in (scratch, home, temporary):
        folder.mkdir()
    environment = {"PYTHONPATH": str(CHECKOUT), "HOME": str(home), "TMPDIR": str(temporary), "PATH": os.environ["PATH"]}
    with (
        (home / "said").open("wb") as said,
        subprocess.Popen(
            [sys.executable, "-c", _ALONE, str(scratch)], stdout=said, stderr=said, env=environment, cwd=home
        ) as process,
    ):
        ends = set[str]()
        while process.poll() is None:
            ends |= {end for pid in family(process.pid) for end in addresses(pid)}
            time.sleep(0.5)
    assert process.returncode == 0
    assert len(ends) == 1, ends
    assert ends <= {"127.0.0.1"}
    canaries = Canaries([name for name in names if len(name) >= 7])
    assert canaries.found_in("\n".join(names).encode()) > 300
    assert leaking_files([scratch, home, temporary], canaries) == []
    assert list(scratch.iterdir()) == []
