"""Sums of hidden cells, found in the published pattern and judged by code that shares nothing with `unions`.

Only the contributions of units to the finest cells are read by the same query. Lines are walked one by one; each sum is
taken apart along the last dimension first, its contributions are added up as a matrix, and the rules are applied here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from scipy import sparse

from output_control.audit import full_equations
from output_control.ledger.dominated import LARGEST, breaks_a_rule
from output_control.policy import Policy
from output_control.sensitive import figure_rule
from output_control.tables.derived import Sources
from output_control.tables.evidence import Evidence
from output_control.tables.rules import Rule
from output_control.tables.table import BoolArray, FloatArray
from output_control.tables.tabulation import DECIMALS, Amounts, Contributions, amounts_of, contributions

AT_ONCE = 2_000
Cells = frozenset[int]


def sums_given_away(evidence: Evidence, hidden: BoolArray, sources: Sources, policy: Policy) -> int:
    """How many sensitive sums of two and more ``hidden`` cells are known from what is published of the table.

    0 where the policy asks nothing of sums of its cells.
    """
    kinds, rules = evidence.kinds, policy.public.tables
    one_each = all((kind.records == kind.table.n_contributors).all() for kind in kinds) and not evidence.summed
    if one_each and rules.unions.value == "contributors":
        return 0
    lines = _Lines(full_equations(evidence.table), hidden)
    known = sorted({cells for cells in lines.known() if len(cells) > 1}, key=sorted)
    if not known:
        return 0
    amounts = amounts_of(evidence.request, sources, rules.weights.value)
    found = np.zeros(len(known), dtype=np.bool_)
    for kind in kinds:
        held = contributions(evidence.request, evidence.shown, sources, amounts, kind.unit)
        for start in range(0, len(known), AT_ONCE):
            some = slice(start, start + AT_ONCE)
            found[some] |= _Judge(kind, held, amounts, policy).sensitive(lines.finest(known[some]))
    return int(found.sum())


class _Lines:
    """The equations of a table: which parts a whole has, line by line."""

    def __init__(self, equations: sparse.csr_array, hidden: BoolArray) -> None:
        self._equations, self._size = equations, equations.shape[1]
        whole = sparse.coo_array(equations > 0)
        self._line_of = np.full(self._size, -1, dtype=np.int64)
        self._line_of[whole.coords[1]] = whole.coords[0]
        self._open: list[Cells] = []
        self._hidden_parts: dict[int, list[Cells]] = defaultdict(list)
        some = np.flatnonzero(abs(equations) @ hidden.astype(np.float64))
        for row in some.tolist():
            at, parts = self._line(row)
            unseen = Cells(part for part in parts if hidden[part])
            if hidden[at]:
                self._hidden_parts[at].append(unseen)
            else:
                self._open.append(unseen)

    def _line(self, row: int) -> tuple[int, list[int]]:
        """The whole of an equation and its parts."""
        span = slice(self._equations.indptr[row], self._equations.indptr[row + 1])
        cells, sign = self._equations.indices[span], self._equations.data[span]
        return int(cells[sign > 0][0]), cells[sign < 0].tolist()

    def known(self) -> Iterator[Cells]:
        """What is hidden below each published whole, and the parts of that in its turn, one line of each after the
        other."""
        most = max((len(lines) for lines in self._hidden_parts.values()), default=0)
        for cells in self._open:
            yield cells
            for number in range(most):
                now, before = cells, Cells()
                while now != before:
                    before = now
                    now = Cells().union(*(self._below(cell, number) for cell in before)) if before else before
                    yield now

    def _below(self, cell: int, number: int) -> Cells:
        lines = self._hidden_parts.get(cell, ())
        return lines[number] if number < len(lines) else Cells([cell])

    def finest(self, known: Sequence[Cells]) -> sparse.csr_array:
        """Sums × cells: each over cells without parts."""
        below: dict[int, Cells] = {}

        def under(cell: int) -> Cells:
            if cell not in below:
                line = int(self._line_of[cell])
                below[cell] = Cells([cell]) if line < 0 else Cells().union(*map(under, self._line(line)[1]))
            return below[cell]

        rows = [sorted(Cells().union(*map(under, cells))) for cells in known]
        where = np.repeat(np.arange(len(rows)), [len(row) for row in rows]), np.concatenate(rows)
        return sparse.csr_array((np.ones(len(where[0])), where), shape=(len(rows), self._size))


class _Judge:
    """The policy's rules for sums of cells, by one kind of unit."""

    def __init__(self, evidence: Evidence, held: Contributions, amounts: Amounts, policy: Policy) -> None:
        self._evidence, self._held, self._amounts, self._policy = evidence, held, amounts, policy
        keys = evidence.table.keys()
        self._cell = np.searchsorted(keys, held.cell)
        people, self._unit = np.unique(held.unit, return_inverse=True)
        self._shape = len(keys), len(people)
        self._column = {name: held.sums[:, at].astype(np.float64) for at, name in enumerate(amounts.names)}

    def sensitive(self, sums: sparse.csr_array) -> BoolArray:
        """Which of ``sums`` (sums × finest cells) hold too few units, or one that is too large."""
        policy, evidence, amounts = self._policy, self._evidence, self._amounts
        records = self._by_unit(sums, self._column["n"])
        units = np.diff(records.indptr).astype(np.float64)
        if "square" in self._column:
            share, square = (self._by_unit(sums, self._column[name]).sum(axis=1) for name in ("share", "square"))
            units = np.minimum(units, share**2 / np.maximum(square, 1) / 1e9)
        filled = abs(self._by_unit(sums, self._column[amounts.contribution])) > 0
        units = np.minimum(units, np.maximum(np.asarray(filled.sum(axis=1)).reshape(-1), 1))
        found: BoolArray = units < figure_rule(evidence.request, policy.public.tables).n
        if not (evidence.summed or (records.sum(axis=1) != np.diff(records.indptr)).any()):
            return found
        part, total = self._column[amounts.contribution], self._column[amounts.total]
        # a unit's total below 0 makes a sum one of either sign
        either = np.asarray((self._by_unit(sums, total) < 0).sum(axis=1)).reshape(-1) > 0
        found |= self._dominated(sums, part, total, policy.dominance_rules()) & ~either
        found |= self._dominated(sums, part, total, policy.signed_rules()) & either
        if amounts.least:
            # whoever knows that a constant was added to all can take it off again
            less = self._column["n"] * amounts.least
            weighed = self._column["w"] * (amounts.least / 10**DECIMALS) if "w" in self._column else less
            part = part - (less if amounts.contribution == "v" else weighed)
            total = total - (less if amounts.total == "v" else weighed)
            found |= self._dominated(sums, part, total, policy.dominance_rules(), least=0.0)
        return found

    def _dominated(
        self,
        sums: sparse.csr_array,
        part: FloatArray,
        total: FloatArray,
        rules: Sequence[Rule],
        least: float = -np.inf,
    ) -> BoolArray:
        """By the largest of ``part`` added up per unit, no unit less than ``least``, beside what ``total`` comes to."""
        scale, whole, own = self._amounts.scale, self._by_unit(sums, total), self._by_unit(sums, part)
        whole.data, own.data = np.maximum(whole.data, least), np.maximum(own.data, least)
        size = abs(whole).sum(axis=1) / scale(self._amounts.total)
        parts = sparse.csr_array(abs(own))
        row = np.repeat(np.arange(parts.shape[0]), np.diff(parts.indptr))
        falling = parts.data[np.lexsort((-parts.data, row))]
        at = parts.indptr[:-1, None] + np.arange(LARGEST)
        there = at < parts.indptr[1:, None]
        largest = np.where(there, np.append(falling, 0.0)[np.where(there, at, 0)], 0.0)
        largest = largest / scale(self._amounts.contribution)
        return breaks_a_rule(size, largest, rules) if rules else np.zeros(len(size), dtype=np.bool_)

    def _by_unit(self, sums: sparse.csr_array, amount: FloatArray) -> sparse.csr_array:
        """Sums × units."""
        held = sparse.csr_array((amount, (self._cell, self._unit)), shape=self._shape)
        return sparse.csr_array(sums @ held)
