"""What the ledger found, in the words of the report: per earlier release, for checkers and for the table's author."""

from __future__ import annotations

from collections.abc import Sequence

from output_control.ledger.joint import Compared
from output_control.ledger.overlap import MARGIN, NESTED, OUTSIDE, REVISED, UNION
from output_control.ledger.released import COUNT
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


def findings(releases: Sequence[str], found: Sequence[Compared], *, confidential: bool) -> tuple[EarlierFinding, ...]:
    """For the report; its author sees which releases, as in the evidence, and nothing else."""
    if not releases:
        return (EarlierFinding("–", NONE_SHARED),)
    lines = []
    for release in releases:
        here = [each for each in found if each.release == release] if confidential else []
        both = {language: "; ".join(_counted(each, language) for each in here) for language in SHARES}
        lines.append(EarlierFinding(release, both if here else SHARES))
    return tuple(lines)


def _counted(each: Compared, language: Language) -> str:
    counted = ", ".join(f"{number} {KINDS[kind][language]}" for kind, number in each.relations.items())
    return f"{each.other} ({_quantity(each.quantity, language)}): {counted or NOTHING[language]}"


def _quantity(quantity: str, language: Language) -> str:
    if language == "en":
        return quantity
    return "aantallen" if quantity == COUNT else quantity.replace("sum of ", "som van ", 1)
