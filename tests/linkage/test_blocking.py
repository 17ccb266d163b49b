"""Recall of blocking: true pairs that some pass yields, counted one by one."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from enclave.engine import open_engine
from linkage.blocking import true_pairs_yielded


def test_a_true_pair_counts_once_when_any_pass_yields_it_and_a_false_one_never(tmp_path: Path) -> None:
    delivery = {"id": ["1", "2", "3", "4"], "name": ["a", "b", "c", "z"], "birth": ["1", "2", None, "7"]}
    # unit B stands there twice, under another name; record 3 agrees with another's unit only; 4 is in no register
    registered = {"unit": ["A", "B", "B", "C"], "name": ["a", "x", "b", "d"], "birth": ["1", "9", "2", None]}
    registered = {name: [*values, each] for (name, values), each in zip(registered.items(), "Dc7", strict=True)}
    labelled = pa.table({"record": [1, 2, 3, 4], "truth": ["A", "B", "C", None]})
    rules = ["l.name = r.name", "l.birth = r.birth AND l.name = r.name", "l.birth = r.birth"]
    with open_engine("duckdb", scratch=tmp_path, readable=[], threads=1, memory_gib=1) as engine:
        for name, table in (("delivery", delivery), ("registered", registered)):
            engine.load(name, pa.table(table).to_reader())
        engine.load("labelled", labelled.to_reader())
        assert true_pairs_yielded(engine, rules) == 2
        assert true_pairs_yielded(engine, ["l.birth <> r.birth"]) == 1  # the other row of B
        assert true_pairs_yielded(engine, []) == 0
