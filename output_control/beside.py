"""The tables of one analysis beside each other and beside everything that was released before, for the gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from enclave.errors import Refused
from output_control.derived import Sources
from output_control.dossier import Contents, table_contents
from output_control.ledger.history import History
from output_control.ledger.joint import Together, protect_together
from output_control.ledger.released import ReleasedTable, pack
from output_control.ledger.remember import ProjectIds, remembered
from output_control.outputs import json_bytes
from output_control.policy import Policy
from output_control.table_check import JudgedTable, ProtectedTable, reasons

NO_LEDGER = "not checked against earlier releases: no release ledger was given"
MODELS = "not compared with earlier releases: figures of models are rounded, and a checker compares them"
LEDGER_CHECKS = [
    "no difference with a cell of an earlier release is of fewer units than the minimum frequency",
    "hidden cells of this table and of earlier ones stay open together",
]


def beside_releases(
    judged: Mapping[str, JudgedTable | Contents],
    sources: Sources,
    policy: Policy,
    history: History | None,
    *,
    threads: int = 1,
) -> tuple[list[Contents], bytes]:
    """What leaves of each request, in their order, and the cells that the ledger is to remember.

    Raises:
        Refused: the tables disclose something together, or together with an earlier release, that hiding more cells of
            them does not prevent.
    """
    tables = {name: each for name, each in judged.items() if isinstance(each, JudgedTable)}
    if not tables:
        return [_told(each, None, history) for each in judged.values() if isinstance(each, Contents)], pack([])
    ids = history.ids if history else ProjectIds()
    asked = [remembered(each, sources, ids) for each in tables.values()]
    together = _protected(tables, asked, history, policy, threads)
    protected = {
        name: ProtectedTable(each.evidence, each.primary, pattern, report, each.advice)
        for (name, each), pattern, report in zip(tables.items(), together.patterns, together.reports, strict=True)
    }
    contents = [
        _told(each if isinstance(each, Contents) else table_contents(protected[name]), together, history)
        for name, each in judged.items()
    ]
    return contents, pack(together.released)


def _protected(
    tables: Mapping[str, JudgedTable],
    asked: Sequence[ReleasedTable],
    history: History | None,
    policy: Policy,
    threads: int,
) -> Together:
    minimum = policy.public.tables.minimum_frequency.value
    try:
        return protect_together(asked, history, policy.options(threads=threads), minimum)
    except Refused as error:
        advice = [line for each in tables.values() for line in each.advice]
        raise reasons([error.what, *advice], error.next_step) from None


def _shared(releases: Sequence[str]) -> str:
    if not releases:
        return "no earlier release shares units with this one"
    return f"shares units with earlier releases: {', '.join(releases)}"


def _told(contents: Contents, together: Together | None, history: History | None) -> Contents:
    """The evidence says what was compared; the annex says what was found. Releases are named, nothing else of them."""
    notes = contents.document.get("notes", [])
    notes = list(notes) if isinstance(notes, list) else []
    if history is None:
        return replace(contents, document={**contents.document, "notes": [NO_LEDGER, *notes]})
    if together is None or contents.request.kind != "table":
        document = {**contents.document, "notes": [MODELS, *notes]}
        return replace(contents, document=document)
    checks = contents.document.get("checks", [])
    document = {
        **contents.document,
        "notes": [_shared(together.touched), *notes],
        "checks": [*(checks if isinstance(checks, list) else []), *LEDGER_CHECKS],
        "earlier_releases": {"share_units": list(together.touched)},
    }
    found = [
        {"beside": each.other, "relations": each.relations}
        for each in together.compared
        if each.table == contents.request.name
    ]
    annex = {
        f"{contents.request.name}.releases.json": json_bytes(
            {
                "share_units": list(together.touched),
                "compared": found,
                "attacker": "atoms of all tables" if together.exact else "relations between each two tables",
            }
        )
    }
    return replace(contents, document=document, annex={**contents.annex, **annex})
