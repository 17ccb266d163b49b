"""The tables of one analysis beside each other and beside everything that was released before, for the gate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from enclave.errors import Refused
from enclave.fingerprints import Json
from output_control.dossier import Contents, table_contents
from output_control.earlier_findings import NONE_SHARED, findings, findings_beside, told_before, told_of
from output_control.ledger.coarser import Change, least_loss
from output_control.ledger.definition import PURPOSE, defined
from output_control.ledger.history import History
from output_control.ledger.joint import Together, protect_together
from output_control.ledger.neighbours import Compared
from output_control.ledger.populations import hold_apart, populations_of
from output_control.ledger.published import published
from output_control.ledger.released import ReleasedTable, pack
from output_control.ledger.remember import ProjectIds, judge_by_ids, remembered
from output_control.ledger.widest import LeftOut
from output_control.outputs import json_bytes
from output_control.policy import Policy
from output_control.report.contents import Texts
from output_control.report.files import model_files
from output_control.sensitive import figure_rule
from output_control.table_check import JudgedTable, ProtectedTable, protected_beside, reasons
from output_control.tables.derived import Sources
from output_control.unions.judged import judge_of
from output_control.wishes import CANNOT_STAY, FEWER

NO_LEDGER = "not checked against earlier releases: no release ledger was given"
MODELS: Texts = {
    "nl": "geen eerdere uitgave gaat over dezelfde eenheden op minder dan de minimumfrequentie na; de cijfers zelf "
    "zijn afgerond, en een controleur vergelijkt ze",
    "en": "no earlier release is about the same units but for fewer than the minimum frequency; the figures themselves "
    "are rounded, and a checker compares them",
}
APART: Texts = {
    "nl": "geen eerdere uitgave en geen andere tabel van deze analyse deelt eenheden met deze",
    "en": "no earlier release and no other table of this analysis shares units with this one",
}
AGAIN: Texts = {
    "nl": "een eerdere uitgave bevat dezelfde cijfers van dezelfde eenheden: deze tabel zegt niets nieuws",
    "en": "an earlier release holds the same figures of the same units: this table says nothing new",
}
BOUNDED: Texts = {
    "nl": "cijfers zijn hier bewerkt, of in tabellen die eenheden met deze delen: elk begrenst zijn ware aantal, en "
    "binnen alle grenzen blijft elk gevoelig aantal, en elke groep van minder eenheden dan de minimumfrequentie, open",
    "en": "figures were altered here, or in tables that share units with these: each bounds its true count, and within "
    "all bounds every sensitive count, and every group of fewer units than the minimum frequency, stays open",
}
NO_SMALL_DIFFERENCE = (
    "this table adds no difference with a cell of an earlier release that is of fewer units than the minimum frequency"
)
ALL_TOGETHER = "hidden cells of this table and of all earlier releases that share records with it stay open together"
EACH_TWO = "this table gives no hidden cell away, new or old, beside what follows from each two tables"
TRIED = "what can leave instead, each tried beside the earlier releases, the one that asks for most first:"
NONE_FOUND = "no coarser level, no column less and no table less was found that can leave"
PROPOSED = 3
NOT_ALL_TOGETHER = (
    "not all releases were checked together: sums of cells of several tables were looked for in part of them only; the "
    "checkers' annex says in which not"
)


@dataclass(frozen=True, slots=True)
class _Asked:
    """The judged tables in the ledger's form: those that are compared, with the place of each request's figures among
    them and which are counts of which sum; and those that are kept apart."""

    tables: list[ReleasedTable] = field(default_factory=list)
    place: dict[str, int] = field(default_factory=dict)
    attached: dict[int, int] = field(default_factory=dict)
    apart: list[ReleasedTable] = field(default_factory=list)

    def add(self, name: str, judged: JudgedTable, held: Sequence[ReleasedTable]) -> None:
        """One request's tables, its figures first."""
        if judged.alone is not None:
            self.apart.extend(held)
            return
        here = len(self.tables)
        self.place[name] = here
        self.tables.extend(held)
        self.attached.update(dict.fromkeys(range(here + 1, len(self.tables)), here))


def beside_releases(
    judged: Mapping[str, JudgedTable | Contents],
    sources: Sources,
    policy: Policy,
    history: History | None,
    *,
    made: str,
    inputs: Mapping[str, str],
    threads: int = 1,
) -> tuple[list[Contents], bytes]:
    """What leaves of each request, in their order, and the cells that the ledger is to remember.

    ``made`` is the digest of code, parameters and environment, ``inputs`` those of the linked data by name: what the
    one derives from the other is one population by definition.

    Raises:
        Refused: the tables disclose something together, or together with an earlier release, that hiding more cells of
            them does not prevent; or that cannot be told.
    """
    tables = {name: each for name, each in judged.items() if isinstance(each, JudgedTable)}
    ids, asked = history.ids if history else ProjectIds(), _Asked()
    for name, each in tables.items():
        held = remembered(each, sources, ids)
        if each.alone is not None:
            held = [replace(table, altered=published(each.alone, policy)) for table in held]
        else:
            of = [each.evidence, *([each.counts] if each.counts else [])]
            judges = [judge_by_ids(judge_of(evidence, sources, policy), ids) for evidence in of]
            held = [replace(table, judge=judge) for table, judge in zip(held, judges, strict=True)]
        if history is not None:
            key, request = history.ledger.keys.derived(PURPOSE), each.evidence.request
            meant = defined(request, made=made, inputs=inputs, key=key)
            held = [replace(table, defined=meant) for table in held]
        asked.add(name, each, held)
    together = _protected(tables, asked, history, policy, threads)
    models = [each for each in judged.values() if isinstance(each, Contents)]
    populations = [each for model in models for each in populations_of(model, sources, history.ids)] if history else []
    minimum = policy.public.tables.minimum_frequency.value
    touched = hold_apart(populations, together.released, history, minimum) if history else ()
    contents = []
    for name, result in judged.items():
        if isinstance(result, Contents):
            contents.append(_model(result, touched, history))
            continue
        table = result.alone
        if table is None:
            at = asked.place[name]
            table = protected_beside(
                result, together.patterns[at], together.reports[at], sources, policy,
                sight=together.sights[at], threads=threads,
            )  # fmt: skip
        contents.append(_table(result, table, together, history, policy))
    return contents, pack([*together.released, *populations])


def _protected(
    tables: Mapping[str, JudgedTable], asked: _Asked, history: History | None, policy: Policy, threads: int
) -> Together:
    rules = policy.public.tables
    compared = [each for each in tables.values() if each.alone is None]
    # between two means a rest must be of as many units as a mean needs
    minimum = max([rules.minimum_frequency.value, *(figure_rule(each.evidence.request, rules).n for each in compared)])
    options = policy.options(threads=threads)

    def says(name: str, change: Change) -> str:
        return _said(change, tables[name], alone=len(tables) == 1)

    def protected(
        some: Sequence[ReleasedTable], attached: Mapping[int, int], propose: Callable[[], Sequence[str]] | None = None
    ) -> Together:
        # of what is only tried nobody asks what could be asked for instead
        return protect_together(
            some, history, options, minimum,
            attached=attached, apart=asked.apart, dominance=policy.dominance_rules(),
            propose=propose or list, says=says if propose else None,
        )  # fmt: skip

    try:
        return protected(asked.tables, asked.attached, lambda: _proposals(asked, tables, history, protected))
    except Refused as error:
        kept = any(each.keep is not None for each in asked.tables)
        advice = [*([CANNOT_STAY, FEWER] if kept else []), *(line for each in compared for line in each.advice)]
        raise reasons([error.what, *advice], error.next_step) from None


def _proposals(
    asked: _Asked,
    tables: Mapping[str, JudgedTable],
    history: History | None,
    protected: Callable[[Sequence[ReleasedTable], Mapping[int, int]], Together],
) -> list[str]:
    """What the researcher could ask for instead, what asks for most first; what left before stays."""

    def hidden(some: Sequence[ReleasedTable], attached: Mapping[int, int]) -> Sequence[ReleasedTable] | None:
        try:
            return protected(some, attached).released
        except Refused:
            return None

    shown = {at: tables[name] for name, at in asked.place.items()}
    found = least_loss(asked.tables, asked.attached, hidden, releases=len(history.entries) if history else 0)
    lines = [_said(each, shown[each.table], alone=len(shown) == 1) for each in found[:PROPOSED]]
    return [TRIED, *lines] if lines else [NONE_FOUND]


def _said(change: Change, judged: JudgedTable, *, alone: bool) -> str:
    """One change in the words of the other advice."""
    evidence = judged.evidence
    if change.column is None:
        what = f"without the table {judged.asked.name}"
    else:
        by = evidence.shown[change.column]
        what = f"coarser, {by.column} down to {by.levels[change.deepest]}" if change.deepest else f"without {by.column}"
        what += "" if alone else f" in {judged.asked.name}"
    # not how many of its cells: that tells of confidential rules, and of what a derivation makes of a secret
    return f"{what}: can leave"


def _table(
    judged: JudgedTable, protected: ProtectedTable, together: Together, history: History | None, policy: Policy
) -> Contents:
    """The table with what was compared in its evidence, and what was found in its annex and report."""
    name, rules = judged.asked.name, policy.public.tables
    if history is None or judged.alone is not None:
        held = AGAIN if name in together.repeated else BOUNDED if together.bounded else APART
        notes = [NO_LEDGER] if history is None else [_shared(together.touched)]
        notes += [held["en"]] if judged.alone is not None else []
        earlier = () if history is None else findings_beside(together.touched, held)
        made = table_contents(protected, rules, earlier=earlier, for_author=earlier)
        return _noted(replace(made, request=judged.asked), notes)
    found = [each for each in together.compared if each.table == name]
    made = table_contents(
        protected, rules,
        earlier=findings(together.touched, found, together.left_out, together.given_before, confidential=True),
        for_author=findings(together.touched, found, together.left_out, together.given_before, confidential=False),
    )  # fmt: skip
    return _told(replace(made, request=judged.asked), found, together)


def _model(contents: Contents, touched: Sequence[str], history: History | None) -> Contents:
    """A model or a distribution with its report for either reader."""
    noted = _noted(contents, [NO_LEDGER] if history is None else [MODELS["en"], _shared(touched)])
    grounds = contents.grounds
    if grounds is None:
        raise Refused(f"{contents.request.name} has no report", next_step="report it: no kind of output is without")
    earlier = () if history is None else findings_beside(touched, MODELS)

    def pages(*, confidential: bool) -> dict[str, bytes]:
        return model_files(
            contents.request, contents.columns, contents.document, grounds, confidential=confidential, earlier=earlier,
        )  # fmt: skip

    return replace(
        noted,
        annex={**contents.annex, **pages(confidential=True)},
        researcher={**contents.researcher, **pages(confidential=False)},
    )


def _noted(contents: Contents, notes: Sequence[str]) -> Contents:
    before = contents.document.get("notes", [])
    listed = [*notes, *(before if isinstance(before, list) else [])]
    return replace(contents, document={**contents.document, "notes": listed})


def _shared(releases: Sequence[str]) -> str:
    return f"shares units with earlier releases: {', '.join(releases)}" if releases else NONE_SHARED["en"]


def _told(contents: Contents, found: Sequence[Compared], together: Together) -> Contents:
    """The evidence says what was compared; the annex says what was found. Releases are named, nothing else of them."""
    checks = contents.document.get("checks", [])
    document = {
        **contents.document,
        "checks": [*(checks if isinstance(checks, list) else []), NO_SMALL_DIFFERENCE, _verdict(together)],
        "earlier_releases": {"share_units": list(together.touched)},
    }
    annex = {
        f"{contents.request.name}.releases.json": json_bytes(
            {
                "share_units": list(together.touched),
                "compared": [
                    {"quantity": each.quantity, "beside": each.other, "relations": each.relations} for each in found
                ],
                "attacker": "relations between each two tables" if _in_part(together) else "atoms of all tables",
                "left_out": _left_out(together.left_out),
                "given_before": _given_before(together.given_before),
            }
        )
    }
    told = replace(contents, document=document, annex={**contents.annex, **annex})
    notes = [*([NOT_ALL_TOGETHER] if together.left_out else []), *([BOUNDED["en"]] if together.bounded else [])]
    return _noted(told, [_shared(together.touched), *notes])


def _in_part(together: Together) -> bool:
    """Whether the attacker's view is narrower than all releases together would give."""
    return not together.exact or bool(together.left_out)


def _verdict(together: Together) -> str:
    return EACH_TWO if _in_part(together) else ALL_TOGETHER


def _left_out(left_out: LeftOut) -> dict[str, Json] | None:
    """For the annex: in words, and all names."""
    if not left_out:
        return None
    said = told_of(left_out)
    return {"nl": said["nl"], "en": said["en"], "tables": list(left_out.tables), "columns": list(left_out.columns)}


def _given_before(names: Sequence[str]) -> dict[str, Json] | None:
    """For the annex: in words, and all names."""
    if not names:
        return None
    said = told_before(names)
    return {"nl": said["nl"], "en": said["en"], "names": list(names)}
