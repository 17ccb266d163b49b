"""``zicht run``, ``check``, ``request``, ``all``: the researcher's commands and the gate's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from enclave.errors import BadInput, EnclaveError
from enclave.signatures import SigningKey
from enclave.zones import Zone
from pipeline.commands.options import (
    DEFAULT_WORKSPACE,
    AgainOption,
    JsonOption,
    PassphraseOption,
    WorkspaceOption,
    opened,
    read_text_option,
    teller,
)
from pipeline.commands.review import KeyOption, PersonOption, desk_of
from pipeline.office import read_given, read_passphrase, utc_now

AnalysisArgument = Annotated[str | None, typer.Argument(help="Name of one analysis; all of the project when absent.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("run")(run)
    app.command("check")(check)
    app.command("request")(request)
    app.command("all")(everything)


def run(
    analysis: AnalysisArgument = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    again: AgainOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run analyses in the sandbox; they return requests, and derived frames for the gate to look at.

    Example: zicht run doorsluishuizen
    """
    from pipeline.research import ResearchDesk

    told = teller(as_json=as_json)
    desk = ResearchDesk(opened(workspace), told, actor="researcher")
    for use in desk.uses(analysis):
        outcome = desk.run(use, again=again)
        told.say(f"{use.name} {'ran' if outcome.ran else 'is up to date'}", requests=len(desk.requests(use)))
    typer.echo(f"Next: zicht check {analysis or ''}".rstrip())


def check(
    analysis: AnalysisArgument = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    again: AgainOption = False,
    as_json: JsonOption = False,
) -> None:
    """Have the gate tabulate, protect and audit what an analysis asks for; shows what a checker will see.

    Runs as the gate's operating-system user. Example: zicht check doorsluishuizen
    """
    from output_control.review import shelf
    from pipeline.research import ResearchDesk
    from pipeline.review_page import comparison_text, files_text

    told = teller(as_json=as_json)
    desk = ResearchDesk(opened(workspace), told, actor="gate")
    for use in desk.uses(analysis):
        outcome = desk.check(use, again=again)
        checked = shelf.take(desk.checked_path(use))
        told.say(f"{use.name} {'checked' if outcome.ran else 'is up to date'}", **outcome.record.counts)
        typer.echo(files_text(checked.outputs, checked.evidence, checked.advice))
        for name, content in checked.researcher_files.items():
            if name.endswith(".comparison.json"):
                typer.echo(f"how {Path(name).name.split('.')[0]} could be protected:\n{comparison_text(content)}")
        if checked.researcher_files:
            place = desk.hand_over(use, checked.researcher_files)
            typer.echo(f"explained in {place}" if place else "no report: the results zone is another user's")
    typer.echo(f"Next: zicht request {analysis or 'ANALYSIS'} --title … --context … --controls …")


def request(
    analysis: Annotated[str, typer.Argument(help="Name of the analysis.")],
    person: PersonOption,
    key: KeyOption,
    title: Annotated[str, typer.Option(help="What this is, in one line.")],
    context: Annotated[str, typer.Option(help="What it is, of which population, what it is for.")] = "",
    controls: Annotated[str, typer.Option(help="Which controls you applied, and why it is safe.")] = "",
    context_file: Annotated[Path | None, typer.Option(help="The context, in a file.")] = None,
    controls_file: Annotated[Path | None, typer.Option(help="The controls, in a file.")] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Ask the checkers to release what the gate checked. Context and controls are compulsory.

    Example: zicht request doorsluishuizen --as r-anna --key anna.pem --title … --context … --controls …
    """
    from output_control import review
    from output_control.review import shelf
    from pipeline.research import ResearchDesk

    office = opened(workspace)
    desk = ResearchDesk(office, teller(as_json=False), actor="gate")
    use = office.project.analysis(analysis)
    outcome = desk.check(use)
    checked = shelf.take(desk.checked_path(use))
    signing = SigningKey.load(key, read_passphrase(f"the key of {person}", passphrase_file))
    texts = {
        "title": title,
        "context": read_text_option(context, context_file),
        "controls": read_text_option(controls, controls_file),
    }
    review_desk = desk_of(office)
    name = review.draft(checked, project=office.project.name, author=person, desk=review_desk, **texts)
    state = review.submit(name, author=person, key=signing, desk=review_desk, now=utc_now())
    facts = "checked anew" if outcome.ran else "as checked before"
    typer.echo(f"{name}: {state.value} ({facts})\nNext: two checkers: zicht review show {name}")


def everything(
    project: Annotated[str, typer.Argument(help="Name of the project.")],
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    passphrase_file: PassphraseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run everything that is out of date, from the inbox to the gate's check. People do the rest.

    Example: zicht all ondermijning --passphrase-file custodian.pass
    """
    from pipeline.custodian import open_desk
    from pipeline.hand_in import in_inbox
    from pipeline.research import ResearchDesk

    office = opened(workspace)
    if office.project.name != project:
        raise BadInput(f"this workspace belongs to project {office.project.name}", next_step="name it, or --workspace")
    told = teller(as_json=as_json)
    custodian = open_desk(office, read_given(office.workspace.path(Zone.KEY), passphrase_file), told)
    intake = custodian.receive(in_inbox(custodian.office))
    told.say("deliveries received", ran=intake.ran, rows=intake.total("received"))
    told.say("pseudonymised", ran=sum(outcome.ran for outcome in custodian.pseudonymise()))
    told.say("linked", ran=int(custodian.link().ran))
    failures: list[EnclaveError] = []
    if intake.refused:
        failures.append(
            BadInput("deliveries were refused", faults=intake.refused, next_step="tell the suppliers what is wrong")
        )
    desk = ResearchDesk(office, told, actor="runner")
    for use in desk.uses(None):
        try:
            told.say(f"{use.name} run", ran=int(desk.run(use).ran))
            told.say(f"{use.name} checked", ran=int(desk.check(use).ran))
        except EnclaveError as error:
            failures.append(error)
    for failure in failures[1:]:
        typer.echo(f"zicht: {failure}", err=True)
    if failures:
        raise failures[0]
    typer.echo("everything is up to date\nNext: zicht request ANALYSIS …; zicht status")
