"""How many true pairs the passes yield: what they do not yield, no weight can bring back."""

# ruff: noqa: S608 (statements hold rules and names of our own, never a value)
from __future__ import annotations

from collections.abc import Sequence

from enclave.engine import Engine


def true_pairs_yielded(engine: Engine, rules: Sequence[str]) -> int:
    """Labelled records whose true unit one of the passes ``rules`` finds, by any of its register rows.

    Over the tables ``labelled`` (``record``, ``truth``), ``delivery`` (``id`` and fields) and ``registered`` (``unit``
    and fields). Each true pair is looked at by itself, whatever its weight.
    """
    if not rules:
        return 0
    found = engine.collect(
        "SELECT count(DISTINCT t.record) AS n FROM labelled t JOIN delivery l ON l.id = CAST(t.record AS STRING) "
        f"JOIN registered r ON r.unit = t.truth WHERE {' OR '.join(f'({rule})' for rule in rules)}"
    )
    return int(found["n"][0].as_py())
