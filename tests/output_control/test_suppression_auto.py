"""The way `auto` goes: what it has found stays when what it tries besides finds nothing."""

from __future__ import annotations

import pytest

from enclave.errors import CannotProtect
from output_control import suppression
from output_control.protection import Options
from output_control.suppression import _cheaper, _heuristic, suppress
from output_control.suppression.exact import guidance
from output_control.suppression.problem import build
from output_control.tables.rules import PPercent, primary
from tests.output_control.random_tables import random_magnitudes
from tests.output_control.tables import flat, magnitudes


def test_a_safe_pattern_stays_when_elimination_finds_none_besides() -> None:
    """Before: a table of 368 cells that flow and optimal protected was refused by auto."""
    table = random_magnitudes(1)
    sensitive = primary(table, PPercent(10))
    problem = build(table, sensitive, Options())
    guide = guidance(problem, whole=False)
    found = _heuristic(table, problem, guide, Options())
    with pytest.raises(CannotProtect, match="budget"):
        _heuristic(table, problem, guide, Options(method="gauss", budget=1))
    assert _cheaper(found, table, problem, guide, Options(budget=1)) is found


def test_magnitudes_that_would_take_too_much_work_are_left_to_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before: auto had not ended a table of 10,135 groups and 2,078 primaries in 90 CPU s, flow in 7."""
    amounts = {
        ("a", "x"): 90.0,
        ("a", "y"): 60.0,
        ("b", "x"): 40.0,
        ("b", "y"): 70.0,
        ("c", "x"): 30.0,
        ("c", "y"): 50.0,
    }
    records = [
        (at, amount / (1 + 9 * nth), who) for who, (at, amount) in enumerate(amounts.items()) for nth in range(2)
    ]
    crowd = [(at, 5.0, 10 * nth + 100 + who) for who, at in enumerate(list(amounts)[1:]) for nth in range(4)]
    table = magnitudes((flat("r", "abc"), flat("c", "xy")), records + crowd)
    sensitive = primary(table, PPercent(15))
    assert sensitive.mask.any()
    proven = suppress(table, sensitive, options=Options())
    work = len(build(table, sensitive, Options()).targets) * build(table, sensitive, Options()).size
    monkeypatch.setattr(suppression, "OPTIMAL_WORK_UP_TO", work - 1)
    left, flow = (suppress(table, sensitive, options=Options(method=method)) for method in ("auto", "flow"))
    assert proven.method == "optimal" and left.method == "flow" and left.gap is not None
    assert (left.suppressed == flow.suppressed).all() and left.cost >= proven.cost - 1e-6
