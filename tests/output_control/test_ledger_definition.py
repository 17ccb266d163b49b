"""The ledger knows of a population how it was defined, by a digest that says nothing without the key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from output_control.ledger.definition import PURPOSE, defined
from output_control.ledger.released import unpack
from tests.output_control.gate_world import World
from tests.output_control.ledger_tables import a_dimension, a_table
from tests.output_control.ledger_world import Past, flat, homes, table_request

EVERYONE = homes(area=[f"g{i % 3}" for i in range(120)], worth=[float(i) for i in range(120)])
SOME = EVERYONE.slice(0, 90)
KEY = b"k" * 32


def test_populations_are_one_by_definition_as_they_were_made(tmp_path: Path) -> None:
    world = World(tmp_path, classifications={"area": flat("area", "g", 3)})
    for name, chosen in (("homes", EVERYONE), ("some", SOME)):
        world.add(name, chosen, EVERYONE.select(["home", "owner"]))
    with world.sources() as sources:

        def digest(frame: str = "homes", rows: int = 0, made: str = "a", key: bytes = KEY, **asked: Any) -> str:
            ids = np.arange(rows or {"homes": 120, "some": 90}[frame])
            table = a_table("t", [a_dimension("area", 1)], np.ones((len(ids), 1), dtype=np.int64), ids)
            request = table_request("area", derivation=frame, **asked)
            return defined(request, table, sources, made=made, key=key)

        worth: dict[str, Any] = {"statistic": "sum", "measure": "worth"}
        everyone, some, of_value = digest(), digest("some"), digest(rows=119, **worth)
        # of the same data set, whatever code says so
        assert digest(made="b") == everyone
        # a selection, and who has a value, are what one code makes
        assert digest("some") == some and digest("some", made="b") != some
        assert digest(rows=119, **worth, made="b") != of_value
        assert len({everyone, some, of_value, digest(**worth), digest(key=b"l" * 32)}) == 5


def test_the_ledger_keeps_it_under_a_key_of_its_own(tmp_path: Path) -> None:
    world = Past(tmp_path, {}, {"area": flat("area", "g", 3)})
    (kept,) = unpack(world.release("first", EVERYONE, table_request("area")).released_cells, "first")
    (read,) = world.ledger.tables(world.ledger.entries()[0])
    assert read.defined == kept.defined and len(bytes.fromhex(kept.defined)) == 32
    assert world.ledger.keys.derived(PURPOSE) not in {world.ledger.keys.derived(each) for each in ("chain", "headers")}
