"""What the ledger found, in the words of the report: per earlier release, for checkers and for the table's author."""

from __future__ import annotations

from collections.abc import Sequence

from output_control.ledger.neighbours import Compared
from output_control.ledger.overlap import MARGIN, NESTED, OUTSIDE, REVISED, UNION
from output_control.ledger.released import COUNT
from output_control.ledger.widest import LeftOut
from output_control.report.contents import EarlierFinding, Language, Texts

NONE_SHARED: Texts = {
    "nl": "geen eerdere uitgave deelt eenheden met deze",
    "en": "no earlier release shares units with this one",
}
SHARES: Texts = {"nl": "deelt eenheden", "en": "shares units"}
KINDS: dict[str, Texts] = {
    NESTED: {"nl": "kleine verschillen tussen twee cellen", "en": "small differences of two cells"},
    UNION: {"nl": "kleine verschillen met cellen samen", "en": "small differences with cells together"},
    OUTSIDE: {"nl": "kleine groepen in maar één van beide", "en": "small groups in only one of the two"},
    REVISED: {"nl": "herziene cellen", "en": "revised cells"},
    MARGIN: {"nl": "gemeenschappelijke totalen", "en": "common totals"},
}
NOTHING: Texts = {"nl": "niets", "en": "nothing"}
LEFT_OUT: Texts = {
    "nl": "Niet alle uitgaven zijn samen met deze tabel doorgerekend: sommen van cellen van meer tabellen zijn niet "
    "gezocht in {tables} tabellen en in {columns} kolommen van andere ({some}). Ga zelf na of zo'n som een kleine "
    "groep overlaat.",
    "en": "Not all releases were checked together with this table: sums of cells of several tables were not looked "
    "for in {tables} tables, nor in {columns} columns of others ({some}). See for yourself whether such a sum leaves a "
    "small group over.",
}
GIVEN_BEFORE: Texts = {
    "nl": "Eerdere uitgaven geven samen al zeker {count} verborgen cellen of kleine verschillen prijs ({some}). Deze "
    "tabel kan dat niet herstellen en voegt er niets aan toe. Ga na of een eerdere uitgave moet worden ingetrokken.",
    "en": "Earlier releases together give away at least {count} hidden cells or small differences already ({some}). "
    "This table cannot mend that and adds nothing to it. See whether an earlier release must be revoked.",
}
NAMED = 5


def findings(
    releases: Sequence[str],
    found: Sequence[Compared],
    left_out: LeftOut,
    given_before: Sequence[str],
    *,
    confidential: bool,
) -> tuple[EarlierFinding, ...]:
    """For the report; its author sees which releases, as in the evidence, and nothing else."""
    lines = [EarlierFinding("!", told_before(given_before))] if given_before and confidential else []
    lines += [EarlierFinding("!", told_of(left_out))] if left_out and confidential else []
    lines += [] if releases else [EarlierFinding("–", NONE_SHARED)]
    for release in releases:
        here = [each for each in found if each.release == release] if confidential else []
        both = {language: "; ".join(_counted(each, language) for each in here) for language in SHARES}
        lines.append(EarlierFinding(release, both if here else SHARES))
    return tuple(lines)


def findings_beside(releases: Sequence[str], found: Texts) -> tuple[EarlierFinding, ...]:
    """For the report of what is not compared cell by cell: what was ``found`` of it, and which releases share units."""
    shared = [EarlierFinding(release, SHARES) for release in releases] or [EarlierFinding("–", NONE_SHARED)]
    return (EarlierFinding("✓", found), *shared)


def told_of(left_out: LeftOut) -> Texts:
    """What was not held against the new tables together, in one plain sentence with the first few names."""
    some = _first([*left_out.tables, *left_out.columns])
    counts = {"tables": len(left_out.tables), "columns": len(left_out.columns)}
    return {language: text.format(**counts, some=some) for language, text in LEFT_OUT.items()}


def told_before(given_before: Sequence[str]) -> Texts:
    """What earlier releases give away by themselves, in plain sentences with the first few names."""
    some = _first(given_before)
    return {language: text.format(count=len(given_before), some=some) for language, text in GIVEN_BEFORE.items()}


def _first(named: Sequence[str]) -> str:
    return "; ".join(named[:NAMED]) + ("; …" if len(named) > NAMED else "")


def _counted(each: Compared, language: Language) -> str:
    counted = ", ".join(f"{number} {KINDS[kind][language]}" for kind, number in each.relations.items())
    return f"{each.other} ({_quantity(each.quantity, language)}): {counted or NOTHING[language]}"


def _quantity(quantity: str, language: Language) -> str:
    if language == "en":
        return quantity
    return "aantallen" if quantity == COUNT else quantity.replace("sum of ", "som van ", 1)
