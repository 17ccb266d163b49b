"""``zicht plausibility``: what a custodian should look at before linking."""

from __future__ import annotations

import json

import typer

from enclave.zones import Zone
from pipeline.commands.options import (
    DEFAULT_WORKSPACE,
    JsonOption,
    PassphraseOption,
    WorkspaceOption,
    opened,
    teller,
)
from pipeline.office import read_given


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("plausibility")(plausibility)


def plausibility(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare accepted deliveries with the period before, and their identifiers with the key register.

    Warnings for the custodian: nothing is refused, and nothing of it goes to suppliers or researchers.

    Example: zicht plausibility --passphrase-file custodian.pass
    """
    from pipeline.custodian import open_desk

    office = opened(workspace)
    desk = open_desk(office, read_given(office.workspace.path(Zone.KEY), passphrase_file), teller(as_json=as_json))
    odd = 0
    for found in desk.plausibility():
        name = found.receipt.findings.delivery
        odd += bool(found.cautions or found.doubts)
        if as_json:
            cautions = [each.model_dump(mode="json") for each in found.cautions]
            doubts = [
                {"column": each.column, "doubt": each.doubt.value, "count": each.count, "rows": each.rows}
                for each in found.doubts
            ]
            typer.echo(json.dumps({"delivery": name, "beside": found.beside, "cautions": cautions, "doubts": doubts}))
        elif found.cautions or found.doubts:
            typer.echo(f"{name} ({f'beside {found.beside}' if found.beside else 'no period before'})")
            for line in (*found.cautions, *found.doubts):
                typer.echo(f"  {line}")
    if not as_json:
        typer.echo(f"{odd} deliveries to look at\nNext: ask the suppliers, or zicht pseudonymise")
