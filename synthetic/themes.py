"""One municipality's registers by theme: drawn after everything else, from streams of their own."""

from __future__ import annotations

from dataclasses import dataclass

from synthetic.education import Education, make_education
from synthetic.establishments import Establishments, make_establishments
from synthetic.foundations import Foundations, make_foundations
from synthetic.holdings import Holdings, make_holdings
from synthetic.justice import Justice, make_justice
from synthetic.mortgages import Mortgages, make_mortgages
from synthetic.personal_incomes import PersonalIncomes, make_personal_incomes
from synthetic.randomness import Ints
from synthetic.suspicious_transactions import Transactions, make_transactions
from synthetic.town import Town
from synthetic.vehicles import Vehicles, make_vehicles
from synthetic.wijk_types import wijk_types


@dataclass(frozen=True, slots=True)
class Themes:
    """Everything about one municipality beyond ``Town``; ``wijk_type`` is the latent type of each *wijk*."""

    wijk_type: Ints
    mortgages: Mortgages
    incomes: PersonalIncomes
    education: Education
    vehicles: Vehicles
    foundations: Foundations
    establishments: Establishments
    holdings: Holdings
    justice: Justice
    transactions: Transactions


def make_themes(town: Town, municipalities: int) -> Themes:
    """Draw them; ``municipalities`` is how many the country has (places of offences lie in other ones too)."""
    types = wijk_types(town.seed, town.place)
    foundations = make_foundations(town)
    establishments = make_establishments(town)
    return Themes(
        wijk_type=types,
        mortgages=make_mortgages(town, types),
        incomes=make_personal_incomes(town, types),
        education=make_education(town),
        vehicles=make_vehicles(town, types),
        foundations=foundations,
        establishments=establishments,
        holdings=make_holdings(town, establishments),
        justice=make_justice(town, foundations, municipalities),
        transactions=make_transactions(town),
    )
