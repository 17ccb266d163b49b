"""A count table in which figures were changed instead of hidden."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from output_control.tables.table import IntArray

AlteringMethod = Literal["rounding", "small_count_rounding", "cell_key"]


@dataclass(frozen=True, slots=True, eq=False)
class AlteredTable:
    """What is published of a count table, in the order of its non-empty cells; empty cells are published as 0.

    ``parameters`` are public: the reader must know them to use the figures, and the attacker is taken to know them.
    ``rounding``: ``base``, and ``steps`` (0: every figure is next to the truth; s: up to s bases further away).
    ``small_count_rounding``: ``base``. ``cell_key``: ``largest`` (D), ``variance`` (V) and ``withheld`` (j_s).
    ``additive``: every published total is the sum of its published parts.
    """

    method: AlteringMethod
    published: IntArray
    parameters: Mapping[str, float]
    additive: bool

    @property
    def said(self) -> str:
        """What was done, for the reader of the figures."""
        part = {name: f"{value:g}" for name, value in self.parameters.items()}
        if self.method == "rounding":
            further = f", up to {part['steps']} further away" if self.parameters["steps"] else ""
            return f"every figure rounded to a multiple of {part['base']} beside it{further}; totals add up"
        if self.method == "small_count_rounding":
            return f"inner counts below {part['base']} rounded to 0 or {part['base']}; totals add up"
        return (
            f"every figure but 0 changed by at most {part['largest']} (cell keys, variance {part['variance']}); "
            "totals do not add up exactly"
        )
