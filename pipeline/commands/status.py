"""``zicht status``: what is where, who owes what, what comes next; ``zicht minimisation``: what has no use."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.commands.options import DEFAULT_WORKSPACE, JsonOption, WorkspaceOption, opened

if TYPE_CHECKING:
    from pipeline.delivery_status import DeliveryLine


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status")(status)
    app.command("minimisation")(minimisation)


def status(
    deliveries: Annotated[
        bool, typer.Option("--deliveries", help="Every delivery: who owes it, whether it came, what was wrong.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option(help="Folder for the page of deliveries, in Dutch and in English.")
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Say what is where, who still owes which delivery, and what comes next.

    Example: zicht status --deliveries
    """
    from pipeline.overview import deliveries_of, overview

    office = opened(workspace)
    found = deliveries_of(office)
    lines, following = overview(office, found)
    if html is not None:
        from pipeline.delivery_page import write_pages

        for page in write_pages(found, office.project.name, html):
            typer.echo(f"wrote {page}", err=as_json)
    if as_json:
        listed = [_plain(line) for line in found.lines]
        facts = {"zones": [asdict(line) for line in lines], "deliveries": listed, "next": following}
        typer.echo(json.dumps({**facts, "unexpected": found.unexpected}))
        return
    for line in lines:
        typer.echo(f"{line.zone:14} {line.says}")
    for each in found.lines if deliveries else ():
        typer.echo(_told(each))
    for step in following:
        typer.echo(f"Next: {step}")


def _plain(line: DeliveryLine) -> dict[str, Any]:
    due = line.due.isoformat() if line.due else None
    return {**asdict(line), "due": due, "state": line.state.value, "why": list(line.why)}


def _told(line: DeliveryLine) -> str:
    due = f", due {line.due}" if line.due else ""
    rows = f": {line.accepted} rows, {line.quarantined} set aside" if line.accepted else ""
    late = " after its day" if line.late and line.state.value != "late" else ""
    turned_away = "; a later try was turned away" if line.state.value == "accepted" else ""
    why = f"{turned_away} because of {'; '.join(line.why)}" if line.why else ""
    what = f"{line.supplier} {line.schema_name} {line.period}{due}"
    sender = ", sender not verified" if line.unverified else ""
    return f"  {what:<60} {line.state.description()}{late}{rows}{sender}{why}"


def minimisation(
    out: Annotated[Path | None, typer.Option(help="File for the matrix of variables and questions (CSV).")] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Say which variables each question needs, and what is asked of suppliers for nothing.

    Example: zicht minimisation --out minimisation.csv
    """
    from enclave.files import write_text
    from pipeline.linking import names_of_analyses
    from pipeline.minimisation import as_csv, variables
    from pseudonymise.schemas import load_schemas

    office = opened(workspace)
    found = variables(office.project, load_schemas(office.configs / "schemas"), names_of_analyses(office.project))
    if out is not None:
        write_text(out, as_csv(found, office.project))
    if as_json:
        listed = [{**asdict(each), "need": each.need.value} for each in found]
        typer.echo(json.dumps(listed))
        return
    needless = [each for each in found if each.superfluous]
    typer.echo(f"{len(found)} variables, {len(needless)} of them without a use")
    for each in needless:
        questions = f" ({', '.join(each.questions)})" if each.questions else ""
        typer.echo(f"  {each.data_set}.{each.column}: {each.need.value}{questions}")
    typer.echo("Next: leave them out of schema or project file, or say what they are for")
