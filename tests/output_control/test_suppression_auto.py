"""The way `auto` goes: what it has found stays when what it tries besides finds nothing."""

from __future__ import annotations

import pytest

from enclave.errors import CannotProtect
from output_control.protection import Options
from output_control.suppression import _cheaper, _heuristic
from output_control.suppression.exact import guidance
from output_control.suppression.problem import build
from output_control.tables.rules import PPercent, primary
from tests.output_control.random_tables import random_magnitudes


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
