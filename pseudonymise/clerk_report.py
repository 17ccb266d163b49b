"""The report on a file that a clerk reads, in Dutch or English: what is wrong, in which row, and what to do."""

from __future__ import annotations

from dataclasses import asdict
from enum import Enum
from typing import Any

from enclave.errors import BadInput, EnclaveError, Fault, printable
from pseudonymise.delivery import CheckReport
from pseudonymise.dutch import dutch
from pseudonymise.formats.batch import Note
from pseudonymise.receipt import Receipt
from pseudonymise.refusal import Refusal


class Language(Enum):
    """In which language a page or report is written."""

    NL = "nl"
    EN = "en"

    def of(self, text: str) -> str:
        """A fault's or note's sentence in this language."""
        return dutch(text) if self is Language.NL else text

    def pick(self, dutch_text: str, english_text: str) -> str:
        """The text of this language."""
        return dutch_text if self is Language.NL else english_text


def report_text(report: CheckReport, language: Language) -> str:
    """The report on one file: verdict, counts, what is wrong with the file, with its rows, what was noted."""
    say = language.pick
    verdict = (
        say("kan geleverd worden", "can be delivered")
        if report.acceptable
        else say("kan zo niet geleverd worden", "cannot be delivered like this")
    )
    schema = say(
        f"schema {report.schema} versie {report.schema_version}, periode {report.period or 'niet bekend'}",
        f"schema {report.schema} version {report.schema_version}, period {report.period or 'not known'}",
    )
    counts = say(
        f"  {report.received} rijen gelezen: {report.accepted} goed, {report.quarantined} met fouten"
        f" (hoogstens {_share(report.tolerance, language)} mag fout zijn)",
        f"  {report.received} rows read: {report.accepted} good, {report.quarantined} with faults"
        f" (at most {_share(report.tolerance, language)} may have)",
    )
    lines = [f"{report.file}: {verdict} ({schema})", counts]
    lines += [f"  - {fault_text(fault, language)}" for fault in report.faults]
    lines += [f"  · {_note(*noted, language)}" for noted in report.notes]
    if report.acceptable and not report.received:
        lines.append(f"  · {empty_text(language)}")
    if any(fault.rows for fault in report.faults):
        lines += _where_to_look(report, language)
    return "\n".join(lines)


def report_facts(report: CheckReport, language: Language) -> dict[str, Any]:
    """The report on one file for programs: as JSON values, messages in this language."""
    return {
        "file": report.file,
        "schema": report.schema,
        "schema_version": report.schema_version,
        "period": report.period,
        "acceptable": report.acceptable,
        "received": report.received,
        "accepted": report.accepted,
        "quarantined": report.quarantined,
        "faults": [{**asdict(fault), "message": language.of(fault.message)} for fault in report.faults],
        "notes": [
            {"note": note.value, "column": column, "rows": rows, "count": count, "message": language.of(said)}
            for column, note, count, rows in report.notes
            for said in (note.description(),)
        ],
    }


def _where_to_look(report: CheckReport, language: Language) -> list[str]:
    say = language.pick
    hint = say(
        "  Rij 1 is de eerste rij onder de kop. Waarden worden nooit getoond: zoek ze op in uw bestand.",
        "  Row 1 is the first row under the header. Values are never shown: look them up in your file.",
    )
    if seen := spreadsheet_row(report.file, 1):
        hint += say(f" In Excel is dat rij {seen}.", f" In Excel that is row {seen}.")
    more = any(fault.count > len(fault.rows) for fault in report.faults if fault.rows)
    listed = say(
        "  Alle foute rijen in een lijst: voeg --rows fouten.csv toe.",
        "  All faulty rows in a list: add --rows faults.csv.",
    )
    return [hint, *([listed] if more else [])]


def empty_text(language: Language) -> str:
    """What is said of a file that can be delivered and has no rows."""
    return language.pick(
        "er staat geen rij onder de kop: lever het zo alleen als er niets te melden is",
        "there is no row under the header: deliver it like this only when there is nothing to report",
    )


def spreadsheet_row(file: str, record: int) -> int | None:
    """The row of a sheet in which a spreadsheet shows a record; None for files that it does not open."""
    return record + 1 if file.lower().endswith((".xlsx", ".csv")) else None


def fault_text(fault: Fault, language: Language) -> str:
    """A fault in one line."""
    say = language.pick
    place = printable(fault.file)
    place += f", {say('kolom', 'column')} {printable(fault.column)}" if fault.column else ""
    if fault.rows:
        shown = ", ".join(map(str, fault.rows))
        left = fault.count - len(fault.rows)
        more = say(f" en nog {left}", f" and {left} more") if left > 0 else ""
        place += f", {say('rij', 'row')} {shown}{more}"
    return f"{place}: {language.of(fault.message)}"


def error_text(error: EnclaveError, language: Language) -> str:
    """An error in this language, with its faults; in English where its sentence has no Dutch one."""
    if language.of(error.what) == error.what:
        return str(error)
    lines = [f"{printable(error.where)}: {language.of(error.what)}" if error.where else language.of(error.what)]
    lines += [f"{language.pick('Verder', 'Next')}: {language.of(error.next_step)}"] if error.next_step else []
    faults = error.faults if isinstance(error, BadInput) else ()
    return "\n".join([*lines, *(f"  - {fault_text(fault, language)}" for fault in faults)])


def _note(column: str, note: Note, count: int, rows: tuple[int, ...], language: Language) -> str:
    say = language.pick
    more = " …" if count > len(rows) else ""
    shown = f", {say('rij', 'row')} {', '.join(map(str, rows))}{more}" if rows else ""
    return f"{column or say('bestand', 'file')}{shown}: {language.of(note.description())} ({count})"


def receipt_text(receipt: Receipt, language: Language) -> str:
    """What the enclave answered: the outcome, how many rows, and why the others do not go on."""
    found = receipt.findings
    say = language.pick
    outcome = {
        "accepted": say("aangenomen", "accepted"),
        "rejected": say("geweigerd", "rejected"),
    }[found.outcome]
    lines = [
        say(
            f"{found.delivery}: {outcome}; ontvangen {found.received}, aangenomen {found.accepted}, "
            f"apart gezet {found.quarantined}",
            f"{found.delivery}: {outcome}; received {found.received}, accepted {found.accepted}, "
            f"quarantined {found.quarantined}",
        )
    ]
    lines.append(
        say(f"  afzender vastgesteld, met {found.sender_key}", f"  sender verified, by {found.sender_key}")
        if found.sender_key
        else say("  afzender niet vastgesteld", "  sender not verified")
    )
    for kept in found.faults:
        fault = Fault(kept.file, kept.check, kept.message, kept.column, kept.rows, kept.count)
        lines.append(f"  - {fault_text(fault, language)}")
    return "\n".join(lines)


def refusal_text(refusal: Refusal, language: Language) -> str:
    """Why a sealed file was not received, and what to do."""
    say = language.pick
    lines = [f"{refusal.delivery}: {say('niet aangenomen', 'refused')}: {language.of(refusal.reason)}"]
    for kept in refusal.faults:
        fault = Fault(kept.file, kept.check, kept.message, kept.column, kept.rows, kept.count)
        lines.append(f"  - {fault_text(fault, language)}")
    lines += [f"{say('Verder', 'Next')}: {language.of(refusal.next_step)}"] if refusal.next_step else []
    return "\n".join(lines)


def _share(share: float, language: Language) -> str:
    text = f"{share:.1%}"
    return text.replace(".", ",") if language is Language.NL else text
