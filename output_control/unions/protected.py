"""Protecting what hidden cells add up to: each sensitive sum that a pattern gives away becomes a cell of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from enclave.errors import CannotProtect
from output_control.audit import AuditReport, audit, full_equations
from output_control.protection import Options, Pattern, Witnesses, least
from output_control.suppression import suppress
from output_control.tables.relations import equations
from output_control.tables.rules import PrimaryResult
from output_control.tables.table import CellTable, IntArray
from output_control.unions.sums import Find, Sums, cells_beside

ROUNDS = 50


def protect_sums(
    table: CellTable, primary: PrimaryResult, pattern: Pattern, options: Options, find: Find | None
) -> tuple[Pattern, AuditReport]:
    """``pattern`` with as much more hidden as keeps sensitive sums of hidden cells open; audited with these sums.

    It grows only: each sum that it gives away is hidden as a cell that nobody is shown, at the level that the rules
    ask, until it gives away none. Old witnesses hold, because they move only what was hidden before.

    Raises:
        CannotProtect: no suppression protects such a sum.
    """
    whole = _Whole(table, primary, options, pattern)
    for _ in range(ROUNDS):
        more = None if find is None else find(whole.pattern.suppressed[: len(table)])
        if more is None:
            return whole.narrowed(audit(whole.table, whole.primary, whole.pattern, whole.options), len(table))
        whole = whole.protecting(more)
    raise CannotProtect("what hidden cells add up to stays computable", next_step="show coarser levels")


@dataclass(frozen=True, slots=True, eq=False)
class _Whole:
    """A table, with the sums so far as its last cells."""

    table: CellTable
    primary: PrimaryResult
    options: Options
    pattern: Pattern

    def protecting(self, more: Sums) -> _Whole:
        """The same with ``more`` cells, which the pattern protects too."""
        size, count = len(self.table), len(more)
        members = _wide(more.members, size)
        asked = PrimaryResult.none(size).beside(more.primary)
        lifted = sparse.csr_array(sparse.hstack([sparse.eye_array(size), members.T]))
        low = least(self.table, self.options)
        options = replace(
            self.options,
            cost=np.append(self.table.sizes if self.options.cost is None else self.options.cost, np.zeros(count)),
            keep=None if self.options.keep is None else np.append(self.options.keep, np.zeros(count, dtype=np.bool_)),
            hidden=np.append(self.pattern.suppressed, np.ones(count, dtype=np.bool_)),
            least=np.append(low, members @ low),
        )
        table = _with_sums(self.table, more, members)
        return _Whole(
            table=table,
            primary=self.primary.beside(more.primary),
            options=options,
            pattern=_joined(self.pattern, suppress(table, asked, options=options), lifted, self.primary),
        )

    def narrowed(self, report: AuditReport, size: int) -> tuple[Pattern, AuditReport]:
        """Pattern and report of the first ``size`` cells; what fails of the sums fails in the report."""
        if len(self.table) == size:
            return self.pattern, report
        pattern, mask = self.pattern, self.primary.mask[:size]
        proof, real = pattern.witnesses, int(mask.sum())
        suppressed = pattern.suppressed[:size]
        secondary = suppressed & ~mask
        cost = self.table.sizes if self.options.cost is None else self.options.cost
        own = replace(
            pattern,
            suppressed=suppressed,
            secondary=secondary,
            witnesses=Witnesses(
                sparse.csr_array(proof.moves[:, :size]),
                proof.up[:size],
                proof.down[:size],
                proof.also[proof.also[:, 0] < size],
            ),
            cost=float(cost[:size][secondary].sum()),
        )
        return own, replace(
            report,
            primaries=real,
            checked=report.checked - report.primaries + real,
            lower=report.lower[:real],
            upper=report.upper[:real],
            failed=report.failed[report.failed < size],
            moves=None if report.moves is None else sparse.csr_array(report.moves[:, :size]),
        )


def _with_sums(table: CellTable, more: Sums, members: sparse.csr_array) -> CellTable:
    """The cells of ``table`` and the sums, under the equations of the one and those that say what the others are."""
    count = len(more)

    def both(own: sparse.csr_array) -> sparse.csr_array:
        are = sparse.hstack([members, -sparse.eye_array(count)])
        return sparse.csr_array(sparse.vstack([_wide(own, len(table) + count), are]))

    return cells_beside(table, more.table, relations=(both(equations(table)), both(full_equations(table))))


def _joined(before: Pattern, found: Pattern, lifted: sparse.csr_array, primary: PrimaryResult) -> Pattern:
    """The wider pattern with the proofs of both: ``lifted`` says how the new cells move with the old."""
    proof, new = before.witnesses, found.witnesses
    old, size, count = proof.moves.shape[0], len(before.suppressed), len(found.suppressed) - len(before.suppressed)

    def rows(mine: IntArray, theirs: IntArray) -> IntArray:
        return np.append(mine, np.where(theirs[size:] >= 0, theirs[size:] + old, -1))

    also = new.also[new.also[:, 0] >= size] + np.array([0, old])
    masked = np.append(primary.mask, np.ones(count, dtype=np.bool_))
    return replace(
        found,
        secondary=found.suppressed & ~masked,
        witnesses=Witnesses(
            sparse.csr_array(sparse.vstack([sparse.csr_array(proof.moves @ lifted), new.moves])),
            rows(proof.up, new.up),
            rows(proof.down, new.down),
            np.concatenate([proof.also, also]),
        ),
        method=before.method,
        optimal=False,
        gap=None,
        # of other cells than these; the audit finds its own moves
        beside_parts=None,
    )


def _wide(matrix: sparse.csr_array, width: int) -> sparse.csr_array:
    """With further columns, of nothing."""
    return sparse.csr_array((matrix.data, matrix.indices, matrix.indptr), shape=(matrix.shape[0], width))
