"""The report's words, in Dutch and English."""

from __future__ import annotations

from output_control.report.contents import Language
from output_control.report.grounds_texts import GROUNDS_TEXTS

TEXTS: dict[str, tuple[str, str]] = {
    "checkers_title": ("Bescherming van: {title}", "Protection of: {title}"),
    "for_checkers": (
        "Vertrouwelijk. Alleen voor outputcontroleurs: deze pagina toont verborgen cijfers en waarom ze dat zijn.",
        "Confidential. For output checkers only: this page shows hidden figures and why they are hidden.",
    ),
    "for_owner": (
        "Vertrouwelijk. Alleen voor de eigenaar van de tabel: deze pagina toont verborgen cijfers en waarom ze "
        "verborgen zijn.",
        "Confidential. For the owner of the table only: this page shows hidden figures and why they are hidden.",
    ),
    "for_author": (
        "Voor wie de tabel aanvroeg. Deze pagina verlaat de beveiligde omgeving niet.",
        "For who asked for the table. This page does not leave the secure environment.",
    ),
    "skip": ("Naar de tabel", "Skip to the table"),
    "other_language": ("English version", "Nederlandse versie"),
    "contents": ("Inhoud", "Contents"),
    "summary": ("In het kort", "In short"),
    "fact": ("Gegeven", "Fact"),
    "value": ("Waarde", "Value"),
    "base": ("veelvouden van", "multiples of"),
    "summary_caption": ("De tabel en haar bescherming", "The table and its protection"),
    "cells": ("Niet-lege cellen", "Non-empty cells"),
    "hidden_cells": ("Verborgen cellen", "Hidden cells"),
    "primary_cells": ("waarvan om zichzelf (primair)", "of which for their own sake (primary)"),
    "secondary_cells": ("waarvan ter bescherming (secundair)", "of which to protect others (secondary)"),
    "sensitive_cells": ("Gevoelige cellen", "Sensitive cells"),
    "altered": ("Bewerking van de cijfers", "What was done to the figures"),
    "audit": ("Aanval door het controleprogramma", "Attack by the audit"),
    "audit_passed": (
        "elke gevoelige cel houdt het gevraagde interval",
        "every sensitive cell keeps the interval that is asked",
    ),
    "lost": ("Wat er verloren ging", "What was lost"),
    "lost_caption": (
        "Verlies, over alle niet-lege cellen met totalen; een verborgen cel telt als 0",
        "Loss, over all non-empty cells with totals; a hidden cell counts as 0",
    ),
    "lost_caption_author": (
        "Verlies, over alle niet-lege cellen met totalen; een verborgen cel telt als 0",
        "Loss, over all non-empty cells with totals; a hidden cell counts as 0",
    ),
    "measure": ("Maat", "Measure"),
    "cells_lost": ("Cellen verborgen", "Cells hidden"),
    "value_lost": ("Waarde daarvan", "Their value"),
    "cells_changed": ("Cijfers gewijzigd", "Figures changed"),
    "mean_absolute_deviation": ("Gemiddelde absolute afwijking", "Mean absolute deviation"),
    "largest_deviation": (
        "Grootste afwijking van een getoond cijfer",
        "Largest deviation of a shown figure",
    ),
    "hellinger_share": (
        "Hellinger-afstand (0 gelijk, 1 niets over)",
        "Hellinger distance (0 equal, 1 nothing left)",
    ),
    "hellinger_short": ("Hellinger (0–1)", "Hellinger (0–1)"),
    "largest_short": ("Grootste afwijking", "Largest deviation"),
    "mean_short": ("Gemiddelde afwijking", "Mean deviation"),
    "comparison": ("Andere manieren van bescherming", "Other ways to protect this table"),
    "comparison_caption": (
        "Manieren om deze tabel te beschermen, naast elkaar",
        "Ways to protect this table, side by side",
    ),
    "comparison_caption_author": (
        "De manieren die het beleid toestaat, naast elkaar",
        "The ways that the policy allows, side by side",
    ),
    "comparison_none": (
        "Er is niets vergeleken: het beleid staat alleen onderdrukken toe, of de tabel is te groot.",
        "Nothing was compared: the policy allows suppression only, or the table is too large.",
    ),
    "method": ("Methode", "Method"),
    "protects": ("Beschermt", "Protects"),
    "yes": ("ja", "yes"),
    "no": ("nee", "no"),
    "no_solution": ("niet mogelijk: {reason}", "not possible: {reason}"),
    "adds_up": ("Telt op", "Adds up"),
    "unprotected": ("Cellen open", "Cells left open"),
    "width": ("Mediane breedte interval", "Median interval width"),
    "earlier": ("Eerdere uitgaven die dit raakt", "Earlier releases that this touches"),
    "earlier_none": (
        "Er zijn geen bevindingen opgegeven. Vergelijk zelf met eerdere uitgaven over dezelfde populatie.",
        "No findings were given. Compare with earlier releases of the same population yourself.",
    ),
    "release": ("Uitgave", "Release"),
    "finding": ("Bevinding", "Finding"),
    "the_table": ("De tabel", "The table"),
    "table_caption": ("Elke cel met wat ervan getoond wordt", "Every cell with what is shown of it"),
    "legend": ("Tekens", "Marks"),
    "mark_primary": (
        "verborgen om zichzelf; het ware cijfer staat erbij",
        "hidden for its own sake; true figure shown",
    ),
    "mark_secondary": (
        "verborgen ter bescherming van andere; het ware cijfer staat erbij",
        "hidden to protect others; true figure shown",
    ),
    "mark_hidden": ("verborgen", "hidden"),
    "mark_altered": ("getoond cijfer, met het ware cijfer erachter", "shown figure, with the true one behind it"),
    "mark_sensitive": ("gevoelige cel", "sensitive cell"),
    "mark_empty": ("geen teken, 0: niemand in de cel", "no mark, 0: nobody in the cell"),
    "rows_limited": (
        "Getoond zijn de eerste {shown} van {all} rijen. Alle cellen staan in {file}.",
        "The first {shown} of {all} rows are shown. All cells are in {file}.",
    ),
    "rows_limited_plain": (
        "Getoond zijn de eerste {shown} van {all} rijen.",
        "The first {shown} of {all} rows are shown.",
    ),
    "why": ("Waarom cellen verborgen zijn", "Why cells are hidden"),
    "why_altered": ("Gevoelige cellen en hun interval", "Sensitive cells and their intervals"),
    "why_caption_exact": (
        "Per cel de reden en het interval waartoe een aanvaller het cijfer kan beperken",
        "Per cell the reason and the interval to which an attacker can narrow the figure",
    ),
    "why_caption_least": (
        "Per cel de reden en een interval dat een aanvaller zeker niet kleiner kan maken",
        "Per cell the reason and an interval that an attacker certainly cannot narrow",
    ),
    "why_caption_pairs": (
        "Per cel de reden en een interval uit elke twee tabellen die eenheden delen; meer tabellen samen kunnen het "
        "kleiner maken",
        "Per cell the reason and an interval from each two tables that share units; several together may narrow it",
    ),
    "why_caption_author": ("Per cel de reden", "Per cell the reason"),
    "why_none": ("Geen cel is verborgen of gevoelig.", "No cell is hidden or sensitive."),
    "why_none_author": ("Geen cel is verborgen.", "No cell is hidden."),
    "shown": ("Getoond", "Shown"),
    "true": ("Waar cijfer", "True figure"),
    "status": ("Status", "Status"),
    "reason": ("Reden", "Reason"),
    "interval": ("Interval van de aanvaller", "Attacker's interval"),
    "no_bound": ("onbegrensd", "no bound"),
    "not_computed": ("niet berekend", "not computed"),
    "primary": ("primair", "primary"),
    "secondary": ("secundair", "secondary"),
    "sensitive": ("gevoelig", "sensitive"),
    "reason_freq": ("te weinig eenheden", "too few units"),
    "reason_freq_n": ("minder dan {n} eenheden", "fewer than {n} units"),
    "reason_nk": ("dominantie", "dominance"),
    "reason_p": ("dominantie (p%)", "dominance (p%)"),
    "reason_pq": ("dominantie (pq)", "dominance (pq)"),
    "reason_complement": ("te weinig eenheden in de rest", "too few units in the remainder"),
    "reason_figure": ("een cijfer rust op te weinig eenheden", "a figure rests on too few units"),
    "reason_group": ("onthult iets over een groep", "tells something about a group"),
    "reason_group_of": (
        "onthult iets over een groep: {inside} van de {whole} ({counted}) van {group} vallen in {category}",
        "tells something about a group: {inside} of the {whole} ({counted}) of {group} are in {category}",
    ),
    "everyone": ("de hele tabel", "the whole table"),
    "reason_given": ("door de eigenaar aangewezen", "marked by the owner"),
    "reason_protects": ("anders is een andere cel uit te rekenen", "or else another cell could be worked out"),
    "reason_author": (
        "nodig voor de bescherming (de regels daarvoor zijn vertrouwelijk)",
        "needed for protection (the rules are confidential)",
    ),
    "unit": ("Beschermde eenheid", "Protected unit"),
    "population": ("Populatie", "Population"),
    "analysis_request": ("Aanvraag", "Request"),
    "suppression": ("cellen verbergen", "suppression"),
    "coarser": ("grovere randen per gebied", "coarser margins per area"),
    "rounding": ("afronden (optelbaar)", "controlled rounding"),
    "small_count_rounding": ("kleine aantallen afronden", "small-count rounding"),
    "cell_key": ("ruis per cel (cell key)", "cell-key perturbation"),
    **GROUNDS_TEXTS,
}


def say(name: str, language: Language, **parts: object) -> str:
    """A text, with its parts filled in; not yet safe for HTML."""
    dutch, english = TEXTS[name]
    return (dutch if language == "nl" else english).format(**parts)
