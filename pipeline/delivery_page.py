"""The status of deliveries as a page, in Dutch and in English: one file per language, each self-contained."""

from __future__ import annotations

import html
from pathlib import Path

from enclave.files import write_text
from output_control.report.markup import scrolling, table_of
from output_control.report.style import STYLE
from pipeline.delivery_status import DeliveryLine, DeliveryStatus, State
from pseudonymise.clerk_report import Language

_HEAD = {
    Language.NL: ("leverancier", "bestand", "periode", "uiterlijk", "stand", "sinds", "rijen", "apart gezet", "waarom"),
    Language.EN: ("supplier", "file", "period", "due", "state", "since", "rows", "set aside", "why"),
}
_KINDS = {State.REJECTED: "primary", State.REFUSED: "primary", State.LATE: "sensitive", State.WAITING: "secondary"}


def write_pages(status: DeliveryStatus, project: str, folder: Path) -> tuple[Path, ...]:
    """Write ``deliveries.nl.html`` and ``deliveries.en.html`` into ``folder``."""
    written = []
    for language in Language:
        path = folder / f"deliveries.{language.value}.html"
        write_text(path, page(status, project, language), mode=0o644)
        written.append(path)
    return tuple(written)


def page(status: DeliveryStatus, project: str, language: Language) -> str:
    """The page in one language."""
    say = language.pick
    title = say(f"Leveringen van {project}", f"Deliveries of {project}")
    other = Language.EN if language is Language.NL else Language.NL
    name = say("In English", "In het Nederlands")
    link = (
        f'<p class="other"><a href="deliveries.{other.value}.html" hreflang="{other.value}" lang="{other.value}">'
        f"{name}</a></p>"
    )
    body = [
        f"<h1>{html.escape(title)}</h1>",
        _summary(status, language),
        scrolling(_table(status, language), title),
        f"<p>{html.escape(_SIZES[language])}</p>",
    ]
    return (
        f'<!doctype html>\n<html lang="{language.value}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{html.escape(title)}</title>'
        f"<style>{STYLE}</style></head><body>{link}<main>\n" + "\n".join(body) + "\n</main></body></html>\n"
    )


_SIZES = {
    Language.NL: (
        "Aantallen rijen staan in klassen (<10, 10-99, …): deze bladzijde mag ieder lezen. Redenen zijn namen van "
        "controles en kolommen; wat een leverancier moet verbeteren staat in zijn ontvangstbewijs."
    ),
    Language.EN: (
        "Numbers of rows are classes (<10, 10-99, …): everyone may read this page. Reasons are names of checks and "
        "columns; what a supplier must mend stands in the receipt."
    ),
}


def _summary(status: DeliveryStatus, language: Language) -> str:
    dutch = language is Language.NL
    items = [
        f"<li>{status.count(state)} {html.escape(state.description(dutch=dutch))}</li>"
        for state in State
        if status.count(state)
    ]
    late = sum(line.late and line.state is not State.LATE for line in status.lines)
    if late:
        items.append(f"<li>{late} {language.pick('kwam na de afgesproken dag', 'came after the agreed day')}</li>")
    if status.unexpected:
        text = language.pick(
            "geweigerd die niemand hoeft te leveren, of die niet te openen zijn",
            "refused that nobody owes, or that cannot be opened",
        )
        items.append(f"<li>{status.unexpected} {text}</li>")
    return f"<ul>{''.join(items)}</ul>"


def _table(status: DeliveryStatus, language: Language) -> str:
    numeric = (6, 7)
    head = [(text, place in numeric) for place, text in enumerate(_HEAD[language])]
    caption = language.pick(f"{len(status.lines)} leveringen", f"{len(status.lines)} deliveries")
    return table_of(head, [_row(line, language) for line in status.lines], caption)


def _why(line: DeliveryLine, language: Language) -> str:
    later = language.pick("latere poging afgewezen: ", "a later try was turned away: ")
    return (later if line.why and line.state is State.ACCEPTED else "") + "; ".join(line.why)


def _row(line: DeliveryLine, language: Language) -> str:
    state = line.state.description(dutch=language is Language.NL)
    if line.late and line.state is not State.LATE:
        state += language.pick(" (na de dag)", " (after its day)")
    if line.unverified:
        state += language.pick(", afzender niet vastgesteld", ", sender not verified")
    cells = [
        line.schema_name,
        line.period,
        line.due.isoformat() if line.due else "–",
        state,
        line.since[:16].replace("T", " "),
        line.accepted,
        line.quarantined,
        _why(line, language),
    ]
    kind = f' class="{_KINDS[line.state]}"' if line.state in _KINDS else ""
    shown = "".join(
        f"<td{kind if place == 3 else ''}{' class=n' if place in (5, 6) else ''}>{html.escape(cell)}</td>"
        for place, cell in enumerate(cells)
    )
    return f'<tr><th scope="row">{html.escape(line.supplier)}</th>{shown}</tr>'
