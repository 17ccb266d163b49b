"""The linkage report: how much was matched, for whom, and what researchers may see of it.

The full report stays in the key zone. In the researchers' version counts of 1–9 are hidden, and so many categories
beside them that subtracting from the total doesn't bring them back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from pydantic import BaseModel, ConfigDict

from linkage.minimisation import Minimisation

SMALL = 10
_HIDDEN = "<10"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Counts(_Record):
    """Records whose key is matched, unmatched (an identifier the register does not know), or without identifier.

    All None: hidden because one of them is small.
    """

    matched: int | None = None
    unmatched: int | None = None
    without: int | None = None

    @property
    def hidden(self) -> bool:
        """Whether the counts are masked."""
        return self.matched is None

    @property
    def records(self) -> int:
        """Records in all; 0 when hidden."""
        return sum(self._parts())

    @property
    def rate(self) -> float | None:
        """Matched share, 0–1, of the records that have an identifier; None when there are none or counts are hidden."""
        tried = (self.matched or 0) + (self.unmatched or 0)
        return None if self.hidden or not tried else (self.matched or 0) / tried

    def is_small(self, which: Sequence[bool] = (True, True, True)) -> bool:
        """Whether one of ``which`` counts lies in 1–9."""
        return any(wanted and 0 < part < SMALL for wanted, part in zip(which, self._parts(), strict=True))

    def large_parts(self) -> tuple[bool, ...]:
        """Which of the three counts are ten or more."""
        return tuple(part >= SMALL for part in self._parts())

    def _parts(self) -> tuple[int, int, int]:
        return self.matched or 0, self.unmatched or 0, self.without or 0


class Group(_Record):
    """Counts of one category, such as a municipality, a sex or an age band."""

    by: str
    category: str
    counts: Counts


class KeyReport(_Record):
    """One key of a data set. ``told_by_register``: breakdowns that only linked records have, so of no rate."""

    key: str
    kind: str
    counts: Counts
    groups: tuple[Group, ...] = ()
    told_by_register: tuple[str, ...] = ()


class DataSetReport(_Record):
    """One linked data set. ``duplicates``: records equal to another in every linked column. ``several_records``: units
    of the first key with more than one record; ``most_records``: the largest number of records of one unit."""

    name: str
    source: str
    delivered: bool
    rows: int
    duplicates: int | None
    several_records: int | None
    most_records: int | None
    keys: tuple[KeyReport, ...]


class KeyTableReport(_Record):
    """The key tables: register version, hashes, hashes that lead to more than one unit, units numbered, remapped."""

    version: int
    hashes: int
    ambiguous: int | None
    units: int
    new_units: int | None
    remapped: int | None


class LinkageReport(_Record):
    """What linking did, in counts."""

    project: str
    key_tables: KeyTableReport
    overall: Counts
    data_sets: tuple[DataSetReport, ...]
    minimisation: Minimisation

    def for_researchers(self) -> LinkageReport:
        """The report with small counts hidden."""
        tables = self.key_tables.model_copy(
            update={name: _masked(getattr(self.key_tables, name)) for name in ("ambiguous", "new_units", "remapped")}
        )
        return self.model_copy(
            update={
                "key_tables": tables,
                "overall": Counts() if self.overall.is_small() else self.overall,
                "data_sets": tuple(_masked_data_set(found) for found in self.data_sets),
            }
        )

    def markdown(self) -> str:
        """The report as a page."""
        return "\n".join([*_head(self), *(line for found in self.data_sets for line in _section(found)), *_tail(self)])


def total(counts: Iterable[Counts]) -> Counts:
    """The sum of counts that are not hidden."""
    listed = list(counts)
    return Counts(
        matched=sum(c.matched or 0 for c in listed),
        unmatched=sum(c.unmatched or 0 for c in listed),
        without=sum(c.without or 0 for c in listed),
    )


def mask_groups(groups: Sequence[Group], also: Collection[str] = ()) -> tuple[Group, ...]:
    """Hide categories with a small count, and further ones (fewest records first) until subtraction brings none back.

    ``also``: categories that are hidden in another count of the same units, which this one must not bring back.
    ``groups`` are all categories of one breakdown. A kind of count (matched, unmatched, without) whose total is not
    small is public, so the hidden categories' sum of it must be 0 or at least ten. A small total is hidden itself.
    """
    public = total(group.counts for group in groups).large_parts()
    hidden = {i for i, group in enumerate(groups) if group.counts.is_small() or group.category in also}
    rest = sorted(set(range(len(groups))) - hidden, key=lambda i: (groups[i].counts.records, groups[i].category))
    while rest and total(groups[i].counts for i in hidden).is_small(public):
        hidden.add(rest.pop(0))
    return tuple(
        group.model_copy(update={"counts": Counts()}) if i in hidden else group for i, group in enumerate(groups)
    )


def _masked(count: int | None) -> int | None:
    return None if count is not None and 0 < count < SMALL else count


def _masked_data_set(found: DataSetReport) -> DataSetReport:
    update = {name: _masked(getattr(found, name)) for name in ("duplicates", "several_records")}
    # The largest number of records of one unit describes that one unit.
    return found.model_copy(update={**update, "most_records": None, "keys": tuple(map(_masked_key, found.keys))})


def _masked_key(key: KeyReport) -> KeyReport:
    by = dict.fromkeys(group.by for group in key.groups)
    groups = tuple(g for name in by for g in mask_groups([group for group in key.groups if group.by == name]))
    counts = Counts() if key.counts.is_small() else key.counts
    return key.model_copy(update={"counts": counts, "groups": groups})


def _head(report: LinkageReport) -> list[str]:
    tables = report.key_tables
    return [
        f"# Linkage report: {report.project}",
        "",
        f"Deliveries, all keys: {_counts(report.overall)}.",
        "",
        f"Key table version {tables.version}: {tables.hashes:,} keyed hashes, {_number(tables.ambiguous)} ambiguous; "
        f"{tables.units:,} units numbered, {_number(tables.new_units)} new; {_number(tables.remapped)} remapped.",
        "",
        "| Data set | Records | Duplicates | Units > 1 record | Key | Matched | Unmatched | No identifier | Rate |",
        "|---|--:|--:|--:|---|--:|--:|--:|--:|",
        *(
            f"| {found.name} | {found.rows:,} | {_number(found.duplicates)} | {_number(found.several_records)} "
            f"| {key.key} ({key.kind}) | {_cells(key.counts)} |"
            for found in report.data_sets
            for key in found.keys
        ),
        "",
    ]


def _section(found: DataSetReport) -> list[str]:
    lines = []
    for key in found.keys:
        if not key.groups:
            continue
        lines += [
            f"## {found.name}: {key.key}",
            "",
            "| By | Category | Matched | Unmatched | No identifier | Rate |",
            "|---|---|--:|--:|--:|--:|",
        ]
        lines += [
            f"| {group.by} | {group.category} | {_cells(group.counts, rate=group.by not in key.told_by_register)} |"
            for group in key.groups
        ]
        if key.told_by_register:
            lines += [
                "",
                f"By {', '.join(key.told_by_register)}: the register tells it, of linked records only; no rate.",
            ]
        lines.append("")
    return lines


def _tail(report: LinkageReport) -> list[str]:
    lists = (
        ("Declared, used by no analysis", report.minimisation.unused),
        ("Delivered, declared by no question", report.minimisation.undeclared),
    )
    lines = ["## Data minimisation", ""]
    for title, columns in lists:
        shown = ", ".join(f"{data_set}.{column}" for data_set, listed in columns.items() for column in listed)
        lines.append(f"- {title}: {shown or 'none'}.")
    return [*lines, ""]


def _number(count: int | None) -> str:
    return _HIDDEN if count is None else f"{count:,}"


def _cells(counts: Counts, *, rate: bool = True) -> str:
    if counts.hidden:
        return " | ".join(["·"] * 4)
    share = f"{100 * counts.rate:.1f} %" if rate and counts.rate is not None else "–"
    return " | ".join([*(f"{part or 0:,}" for part in (counts.matched, counts.unmatched, counts.without)), share])


def _counts(counts: Counts) -> str:
    if counts.hidden:
        return "hidden (a count below ten)"
    rate = "" if counts.rate is None else f" ({100 * counts.rate:.1f} % of records with an identifier)"
    return f"{counts.matched:,} matched{rate}, {counts.unmatched:,} unmatched, {counts.without:,} without identifier"
