"""Tables that share cells: what each hides by itself, and what an attacker of both computes."""

from __future__ import annotations

import numpy as np
import pytest

from enclave.errors import BadInput
from output_control.audit import audit, full_equations
from output_control.linked_tables import LinkedTables
from output_control.protection import Options, Pattern, Witnesses
from output_control.relations import equations
from output_control.rules import MinimumFrequency, primary
from output_control.suppression import suppress
from output_control.table import CellTable, Dimension
from tests.output_control.tables import cell, counts, flat

# sdcTools UserSupport #136 (protectLinkedTables can be unsafe): the same regions by county and by size
UNITS = {"A": 2, "B": 2, "I": 8, "J": 8, "K": 3, "L": 3, "M": 3, "N": 7}
BY_COUNTY = Dimension(
    "region", "Total", {"Total": ("c1", "c2"), "c1": ("A", "B", "I", "J"), "c2": ("K", "L", "M", "N")}
)
BY_SIZE = Dimension(
    "region", "All", {"All": ("BIG", "small"), "BIG": ("L", "M"), "small": ("A", "B", "I", "J", "K", "N")}
)


def both() -> tuple[CellTable, CellTable]:
    cells = {(code,): count for code, count in UNITS.items()}
    return counts((BY_COUNTY,), cells), counts((BY_SIZE,), cells)


def pattern_of(size: int, hidden: list[int], mask: np.ndarray) -> Pattern:
    away = np.zeros(size, dtype=np.bool_)
    away[hidden] = True
    return Pattern(away, away & ~mask, Witnesses.none(size), 0.0, "foreign", False, None)


def test_user_support_136_two_patterns_that_are_safe_alone_give_k_away_together() -> None:
    # c2 shows K + L + M = 9 and BIG shows L + M = 6, so K = 3
    tables, hidden = both(), "ABKLM"
    linked = LinkedTables.of(tables)
    alone = [primary(table, MinimumFrequency(4)) for table in tables]
    for table, sensitive in zip(tables, alone, strict=True):
        own = pattern_of(len(table), [cell(table, code) for code in hidden], sensitive.mask)
        assert audit(table, sensitive, own, Options()).safe
    joint = linked.primary(alone)
    cells = [cell(tables[0], code) for code in hidden]
    cells += [len(tables[0]) + cell(tables[1], code) for code in hidden]
    found = audit(linked, joint, pattern_of(len(linked), cells, joint.mask), Options())
    assert found.exact == 2 and {linked.labels(int(k)) for k in found.failed} == {("K",)}


@pytest.mark.parametrize("method", ["flow", "optimal", "gauss", "auto"])
def test_linked_tables_are_protected_as_one(method: str) -> None:
    tables = both()
    linked = LinkedTables.of(tables)
    joint = linked.primary([primary(table, MinimumFrequency(4)) for table in tables])
    options = Options(method=method)  # type: ignore[arg-type]  # parametrised
    pattern = suppress(linked, joint, options=options)
    assert audit(linked, joint, pattern, options).safe
    by_county, by_size = linked.split(pattern.suppressed)
    for code in UNITS:
        assert by_county[cell(tables[0], code)] == by_size[cell(tables[1], code)]


def test_shared_cells_are_those_of_the_same_codes_and_totals_of_what_is_missing() -> None:
    sex, age = flat("sex", "fm"), flat("age", "xy")
    full = counts((sex, age), {("f", "x"): 1, ("f", "y"): 2, ("m", "x"): 3, ("m", "y"): 4})
    short = counts((sex,), {("f",): 3, ("m",): 7})
    linked = LinkedTables.of((full, short))
    assert sorted(linked.value[linked.same[:, 0]].tolist()) == [3, 7, 10]
    assert np.array_equal(linked.value[linked.same[:, 0]], linked.value[linked.same[:, 1]])
    assert linked.labels(len(full)) == short.labels(0)
    with pytest.raises(IndexError):
        linked.labels(len(linked))
    for found in (equations(linked), full_equations(linked)):
        assert not (found @ linked.value).any()


def test_tables_that_disagree_are_refused_by_their_codes() -> None:
    sex = flat("sex", "fm")
    one, other = counts((sex,), {("f",): 3, ("m",): 7}), counts((sex,), {("f",): 424, ("m",): 7})
    with pytest.raises(BadInput, match="differ between two linked tables: sex-total; f") as refusal:
        LinkedTables.of((one, other))
    assert "424" not in str(refusal.value)
