"""The words of the reports of models and distributions, in Dutch and English; the figures come in as ``{asked}``."""

from __future__ import annotations

_PAGE = {
    "model_title": ("Controle van: {title}", "Check of: {title}"),
    "model_for_checkers": (
        "Vertrouwelijk. Alleen voor outputcontroleurs: deze pagina toont ongeronde aantallen en hoe dicht cijfers bij "
        "een regel komen.",
        "Confidential. For output checkers only: this page shows unrounded counts and how near figures come to a rule.",
    ),
    "model_for_author": (
        "Voor wie de uitvoer aanvroeg. Deze pagina verlaat de beveiligde omgeving niet.",
        "For who asked for the output. This page does not leave the secure environment.",
    ),
    "skip_checks": ("Naar de controles", "Skip to the checks"),
    "kind": ("Soort uitvoer", "Kind of output"),
    "record": ("Record", "Record"),
    "model_caption": ("Wat er gevraagd is", "What is asked"),
    "facts_caption": ("Wat het bewijs erbij zegt, zoals het vertrekt", "What the evidence says besides, as it leaves"),
    "size_records": ("Records, precies", "Records, exact"),
    "size_units": ("Eenheden, precies", "Units, exact"),
    "size_events": ("Records met de uitkomst, precies", "Records with the outcome, exact"),
    "size_clusters": ("Clusters, precies", "Clusters, exact"),
    "size_parameters": ("Coëfficiënten", "Coefficients"),
    "size_residual_df": ("Vrijheidsgraden over, in eenheden", "Residual degrees of freedom, in units"),
    "checks": ("Waaraan het getoetst is", "What it was held to"),
    "checks_caption": (
        "Elke regel, met wat er van alles dat vertrekt het dichtst bij komt",
        "Every rule, with what comes nearest to it of all that leaves",
    ),
    "checks_caption_author": ("Elke regel die is toegepast", "Every rule that was applied"),
    "check": ("Controle", "Check"),
    "rule": ("Regel in het beleid", "Rule of the policy"),
    "rule_dominance": ("dominantie (vertrouwelijk)", "dominance (confidential)"),
    "nearest": ("Dichtstbij", "Nearest"),
    "verdict": ("Uitkomst", "Outcome"),
    "verdict_met": ("voldoet", "met"),
    "verdict_merged": ("voldoet na samenvoegen ({count})", "met after merging ({count})"),
    "verdict_hidden": ("cijfers verborgen: {count}", "figures hidden: {count}"),
    "verdict_taken_back": ("splitsingen teruggenomen: {count}", "splits taken back: {count}"),
    "changes": ("Wat is samengevoegd of verborgen", "What was merged or hidden"),
    "changes_caption": (
        "Wat anders vertrekt dan gevraagd, en waarom",
        "What leaves otherwise than it was asked for, and why",
    ),
    "changes_none": ("Er is niets samengevoegd of verborgen.", "Nothing was merged or hidden."),
    "what": ("Wat", "What"),
    "done": ("Gedaan", "Done"),
    "done_merged": ("samengevoegd", "merged"),
    "done_hidden": ("verborgen", "hidden"),
    "done_taken_back": ("teruggenomen", "taken back"),
    "done_cut_off": ("afgebroken", "cut off"),
    "basis": ("Waar de cijfers op rusten", "What the figures rest on"),
    "released": ("Wat vertrekt", "What leaves"),
    "released_caption": ("De rijen van het bestand, zoals zij vertrekken", "The rows of the file, as they leave"),
}

_KINDS = {
    "kind_regression": ("regressie", "regression"),
    "kind_tree": ("boom", "tree"),
    "kind_clusters": ("clusters", "clusters"),
    "kind_survival": ("overlevingscurve", "survival curve"),
    "kind_roc": ("ROC-curve", "ROC curve"),
    "kind_lorenz": ("Lorenzcurve", "Lorenz curve"),
    "kind_histogram": ("histogram", "histogram"),
    "kind_density": ("dichtheid", "density"),
    "kind_box_plot": ("percentielen (boxplot)", "percentiles (box plot)"),
    "kind_correlation": ("correlaties", "correlations"),
    "kind_network": ("netwerk in klassen van graad", "network as classes of degree"),
}

_CHECKS = {
    "check_unique": (
        "Rijen zijn uniek, hebben een eenheid en liggen binnen de populatie",
        "Rows are unique, have a unit and lie within the population",
    ),
    "check_residual_df": (
        "Vrijheidsgraden over, geteld in eenheden: ten minste {asked}",
        "Residual degrees of freedom, counted in units: at least {asked}",
    ),
    "check_cluster_df": (
        "Vrijheidsgraden tussen clusters: ten minste {asked}",
        "Degrees of freedom between clusters: at least {asked}",
    ),
    "check_level_units": ("Eenheden per niveau: ten minste {asked}", "Units per level: at least {asked}"),
    "check_level_units_by_outcome": (
        "Eenheden per niveau, in elke klasse van de uitkomst die telt: ten minste {asked}",
        "Units per level, in each class of the outcome that counts: at least {asked}",
    ),
    "check_outcome_dominance": (
        "Geen eenheid overheerst de uitkomst van een niveau; het grootste deel van één eenheid",
        "No unit dominates the outcome of a level; the largest part of one unit",
    ),
    "check_saturated": (
        "Meer patronen van kenmerken dan coëfficiënten (meer dan {asked}): het model is geen tabel",
        "More patterns of covariates than coefficients (more than {asked}): the model is no table",
    ),
    "check_converged": (
        "Geschat door de poort; de score is nul; geen term scheidt de uitkomsten",
        "Estimated by the gate; the score is zero; no term separates the outcomes",
    ),
    "check_unit_leverage": (
        "Deel van één eenheid in de informatie over een coëfficiënt: hoogstens {asked}",
        "One unit's part in the information on a coefficient: at most {asked}",
    ),
    "check_unit_in_direction": (
        "Hefboom van één eenheid (haar deel in elke combinatie van coëfficiënten is niet groter): hoogstens {asked}",
        "Leverage of one unit (its part in any combination of coefficients is no larger): at most {asked}",
    ),
    "check_few_units": (
        "Deel van te weinig eenheden samen in coëfficiënten, resterende spreiding of robuuste fout: hoogstens {asked}",
        "Part of too few units together in coefficients, spread that is left or robust error: at most {asked}",
    ),
    "check_digits": ("Afgerond op {asked} significante cijfers", "Rounded to {asked} significant digits"),
    "check_decimals": ("Afgerond op {asked} decimalen", "Rounded to {asked} decimals"),
    "check_count_base": ("Aantallen afgerond op veelvouden van {asked}", "Counts rounded to multiples of {asked}"),
    "check_leaf_units": ("Eenheden per blad: ten minste {asked}", "Units per leaf: at least {asked}"),
    "check_leaf_classes": (
        "Eenheden per blad en klasse van de uitkomst: ten minste {asked}",
        "Units per leaf and class of the outcome: at least {asked}",
    ),
    "check_leaf_share": (
        "Deel van een blad in één klasse van de uitkomst die iets onthult: hoogstens {asked}",
        "Part of a leaf in one telling class of the outcome: at most {asked}",
    ),
    "check_mean_units": ("Eenheden per gemiddelde: ten minste {asked}", "Units per mean: at least {asked}"),
    "check_leaf_dominance": ("Geen eenheid overheerst een blad", "No unit dominates a leaf"),
    "check_mean_telling": (
        "Geen eenheid overheerst een gemiddelde, en bijna allen hebben niet één waarde",
        "No unit dominates a mean, and nearly all do not have one value",
    ),
    "check_thresholds": (
        "Drempels afgerond op {asked} significante cijfers; geen scores",
        "Thresholds rounded to {asked} significant digits; no scores",
    ),
    "check_cluster_units": ("Eenheden per cluster: ten minste {asked}", "Units per cluster: at least {asked}"),
    "check_class_share": (
        "Deel van alle eenheden in één klasse: hoogstens {asked}",
        "Part of all units in one class: at most {asked}",
    ),
    "check_centres": (
        "Geen eenheid en geen enkele weinige bepalen een middelpunt of spreiding",
        "Neither one unit nor few of them determine a centre or a spread",
    ),
    "check_flag_units": (
        "Eenheden met en zonder elk 0/1-kenmerk per cluster: ten minste {asked}",
        "Units with and without each 0/1 feature per cluster: at least {asked}",
    ),
    "check_record_dominance": (
        "Geen eenheid heeft de meeste records van een groep; het grootste deel van één eenheid",
        "No unit has most of the records of a group; the largest part of one unit",
    ),
    "check_step_events": (
        "Eenheden met de uitkomst per stap: ten minste {asked}",
        "Units with the outcome per step: at least {asked}",
    ),
    "check_step_both": (
        "Eenheden met en eenheden zonder de uitkomst per stap: ten minste {asked}",
        "Units with and units without the outcome per step: at least {asked}",
    ),
    "check_beyond": (
        "Eenheden die langer dan de laatste tijd zijn waargenomen: ten minste {asked}",
        "Units observed beyond the last time: at least {asked}",
    ),
    "check_times": (
        "Tijden zijn veelvouden van het gevraagde interval",
        "Times are multiples of the interval asked for",
    ),
    "check_class_units": ("Eenheden per klasse: ten minste {asked}", "Units per class: at least {asked}"),
    "check_measure_dominance": (
        "Geen eenheid overheerst een klasse of het totaal; het grootste deel van één eenheid",
        "No unit dominates a class or the total; the largest part of one unit",
    ),
    "check_open": (
        "Buitenste klassen open; randen zoals gevraagd of veelvouden van twee",
        "Outer classes open; edges as asked for, or powers of two",
    ),
    "check_density": (
        "De dichtheid komt uit de klassen hieronder, met geronde aantallen; niet uit records",
        "The density comes from the classes below, with rounded counts; not from records",
    ),
    "check_group_units": ("Eenheden per categorie: ten minste {asked}", "Units per category: at least {asked}"),
    "check_percentile_units": (
        "Eenheden aan elke kant van een percentiel, naast wie het heeft: ten minste {asked}",
        "Units on each side of a percentile, besides the one that holds it: at least {asked}",
    ),
    "check_alike": (
        "Deel van een categorie met één en dezelfde waarde: hoogstens {asked}",
        "Part of a category with one and the same value: at most {asked}",
    ),
    "check_pair_units": (
        "Eenheden met beide kenmerken, en eenheden die er één missen (of geen): ten minste {asked}",
        "Units that have both features, and units that lack one (or none): at least {asked}",
    ),
    "check_pair_unit": (
        "Deel van één eenheid in de spreiding van een kenmerk: hoogstens {asked}",
        "One unit's part in the spread of a feature: at most {asked}",
    ),
    "check_pair_few": (
        "Deel van te weinig eenheden samen in de spreiding van een kenmerk: hoogstens {asked}",
        "Part of too few units together in the spread of a feature: at most {asked}",
    ),
    "check_collinear": (
        "Correlatie, zonder teken: hoogstens {asked}",
        "Correlation, without its sign: at most {asked}",
    ),
}

_WHY = {
    "why_class_units": (
        "buurklassen samen, tot elke klasse genoeg eenheden heeft",
        "neighbouring classes together, until each has enough units",
    ),
    "why_step_events": (
        "opeenvolgende stappen samen, tot elke stap genoeg eenheden met de uitkomst heeft",
        "consecutive steps together, until each has enough units with the outcome",
    ),
    "why_step_both": (
        "opeenvolgende drempels samen, tot elke stap genoeg eenheden met en zonder de uitkomst heeft",
        "consecutive thresholds together, until each step has enough units with and without the outcome",
    ),
    "why_beyond": (
        "verderop zijn te weinig eenheden waargenomen",
        "too few units were observed beyond",
    ),
    "why_unsafe_leaf": (
        "een blad had te weinig eenheden, te weinig van een klasse, of bijna allen gelijk",
        "a leaf had too few units, too few of a class, or nearly all alike",
    ),
    "why_flag_units": (
        "te weinig eenheden met of zonder het 0/1-kenmerk",
        "too few units with, or without, the 0/1 feature",
    ),
    "why_few_apart": (
        "op te weinig eenheden na heeft ieder dezelfde waarde, of 0",
        "all but too few units have the same value, or 0",
    ),
    "why_dominance": ("één eenheid overheerst het cijfer", "one unit dominates the figure"),
    "why_alike": ("bijna allen hebben één waarde", "nearly all have one value"),
    "why_unit_spread": (
        "één eenheid heeft het grootste deel van de spreiding",
        "one unit holds most of a column's spread",
    ),
    "why_few_spread": (
        "te weinig eenheden hebben samen bijna alle spreiding",
        "too few units together hold nearly all of a column's spread",
    ),
    "why_percentile_units": (
        "te weinig eenheden aan één kant",
        "too few units on one side",
    ),
    "why_both_units": ("te weinig eenheden hebben beide", "too few units have both"),
    "why_lacking_units": ("te weinig eenheden missen één van beide", "too few units lack one of both"),
    "why_combination_units": (
        "een combinatie van 0/1-kenmerken heeft te weinig eenheden",
        "a combination of 0/1 columns has too few units",
    ),
    "why_constant": ("een kenmerk is voor allen gelijk", "a column is the same for all"),
    "why_collinear": ("het ene kenmerk is zo goed als het andere", "one column as good as is the other"),
}

_COLUMNS = {
    "basis_terms": (
        "Eenheden per term en niveau (*: het niveau van vergelijking)",
        "Units per term and level (*: the level of reference)",
    ),
    "basis_leaves": ("Bladen, met ongeronde aantallen", "Leaves, with unrounded counts"),
    "basis_clusters": ("Clusters, met ongeronde aantallen", "Clusters, with unrounded counts"),
    "basis_steps": ("Stappen van de curve, met ongeronde aantallen", "Steps of the curve, with unrounded counts"),
    "basis_classes": ("Klassen, met ongeronde aantallen", "Classes, with unrounded counts"),
    "basis_groups": ("Categorieën, met ongeronde aantallen", "Categories, with unrounded counts"),
    "basis_percentiles": ("Eenheden aan elke kant van elk percentiel", "Units on each side of each percentile"),
    "basis_pairs": ("Paren van kenmerken", "Pairs of features"),
    "col_term": ("Term", "Term"),
    "col_level": ("Niveau", "Level"),
    "col_records": ("Records", "Records"),
    "col_units": ("Eenheden", "Units"),
    "col_units_with": ("Eenheden met de uitkomst", "Units with the outcome"),
    "col_units_without": ("Eenheden zonder de uitkomst", "Units without the outcome"),
    "col_outcome_share": ("Deel van één eenheid in de uitkomst", "One unit's part in the outcome"),
    "col_information": ("Deel van één eenheid in de coëfficiënt", "One unit's part in the coefficient"),
    "col_leaf": ("Blad", "Leaf"),
    "col_conditions": ("Voorwaarden", "Conditions"),
    "col_class": ("Klasse", "Class"),
    "col_cluster": ("Cluster", "Cluster"),
    "col_records_share": ("Deel van één eenheid in de records", "One unit's part in the records"),
    "col_measure_share": ("Deel van één eenheid in de maat", "One unit's part in the measure"),
    "col_code": ("Categorie", "Category"),
    "col_time": ("Tot en met", "Up to"),
    "col_merged": ("Gevraagde stappen of klassen erin", "Steps or classes asked for in it"),
    "col_at_risk": ("Onder risico", "At risk"),
    "col_events": ("Records met de uitkomst", "Records with the outcome"),
    "col_others": ("Records zonder de uitkomst", "Records without the outcome"),
    "col_step": ("Stap", "Step"),
    "col_threshold": ("Score vanaf", "Score from"),
    "col_low": ("Vanaf", "From"),
    "col_high": ("Tot", "To"),
    "col_percentile": ("Percentiel", "Percentile"),
    "col_below": ("Eenheden eronder of erop", "Units at or below"),
    "col_above": ("Eenheden erboven of erop", "Units at or above"),
    "col_alike": ("Deel met één waarde", "Part with one value"),
    "col_row": ("Kenmerk", "Feature"),
    "col_column": ("Met kenmerk", "With feature"),
    "col_lacking": ("Eenheden die er één missen", "Units that lack one"),
    "col_unit_spread": ("Deel van één eenheid in de spreiding", "One unit's part in the spread"),
    "col_few_spread": ("Deel van enkele eenheden in de spreiding", "A few units' part in the spread"),
    "col_correlation": ("Correlatie, ongerond", "Correlation, unrounded"),
    "col_ties_from": ("Banden vanaf", "Ties from"),
    "col_ties_to": ("Banden tot en met", "Ties to"),
    "col_splits": ("Splitsingen", "Splits"),
    "col_members": ("Leden", "Members"),
    "higher": ("de hogere waarde", "the higher value"),
    "lower": ("de lagere waarde", "the lower value"),
    "none": ("geen", "none"),
}

GROUNDS_TEXTS: dict[str, tuple[str, str]] = {**_PAGE, **_KINDS, **_CHECKS, **_WHY, **_COLUMNS}
