"""How a country of N persons is divided: whole municipalities, so that a *buurt* never shrinks with the country."""

from __future__ import annotations

from dataclasses import dataclass

from enclave.errors import BadInput

FEWEST_PERSONS = 200
MOST_PERSONS = 20_000_000
_IDS_PER_MUNICIPALITY = 1 << 20
_BUURT_PERSONS = 1_150


@dataclass(frozen=True, slots=True)
class Municipality:
    """One municipality's size and its places in the country-wide number ranges."""

    index: int
    persons: int
    entities: int
    unregistered: int
    buurten: int
    first_person: int
    first_other: int
    first_entity: int
    first_wijk: int

    @property
    def digits(self) -> str:
        """Its four figures, 9001 and up (no such municipality exists)."""
        return f"{9001 + self.index:04d}"

    @property
    def code(self) -> str:
        """GM and four figures."""
        return f"GM{self.digits}"

    @property
    def first_id(self) -> int:
        """Entity ids start here; each municipality has 2**20 of them, so none depends on another's size."""
        return self.index * _IDS_PER_MUNICIPALITY

    @property
    def wijken(self) -> int:
        """Number of *wijken*: about four *buurten* each, at least two."""
        return max(2, round(self.buurten / 4.3))


def municipality_count(persons: int) -> int:
    """1,000 persons → 2 municipalities, 50,000 → 5, 1,000,000 → 40."""
    return max(2, min(5, round(persons / 10_000)), round(persons / 25_000))


def divide(persons: int, *, least: int = 2) -> tuple[Municipality, ...]:
    """The municipalities of a country of exactly ``persons`` persons, ``least`` of them or more.

    Raises:
        BadInput: fewer than 200 or more than 20 million persons.
    """
    if not FEWEST_PERSONS <= persons <= MOST_PERSONS:
        raise BadInput(
            f"a synthetic country has {FEWEST_PERSONS:,} to {MOST_PERSONS:,} persons",
            where="--persons",
            next_step="choose a number in that range, for example 50000",
        )
    count = max(least, municipality_count(persons))
    # sizes differ by a factor of three, in an order that repeats, so that every run has small and large ones
    weights = [(1.0, 0.6, 1.5, 0.8, 1.1)[index % 5] for index in range(count)]
    edges = [round(persons * sum(weights[: index + 1]) / sum(weights)) for index in range(count)]
    rows: list[Municipality] = []
    person = other = entity = wijk = 0
    for index, edge in enumerate(edges):
        size = edge - person
        row = Municipality(
            index=index,
            persons=size,
            entities=max(12, round(size * 0.06)),
            unregistered=max(4, size // 50),
            buurten=max(4, round(size / _BUURT_PERSONS)),
            first_person=person,
            first_other=other,
            first_entity=entity,
            first_wijk=wijk,
        )
        rows.append(row)
        person, other, entity = edge, other + row.unregistered + row.entities, entity + row.entities
        wijk += row.wijken
    return tuple(rows)
