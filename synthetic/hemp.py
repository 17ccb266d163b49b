"""The planted truth of D2: a logistic model of hemp clearances with an independent *buurt* effect.

A pooled logistic regression doesn't estimate the conditional log-odds of a model with a random effect, but smaller ones
(Zeger, Liang and Albert 1988, doi:10.2307/2531734). ``marginal_truth`` solves its expected score equations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthetic.areas import HEMP_SIGMA
from synthetic.calendar_days import MOVES_START_YEAR, OUTCOME_YEARS, day
from synthetic.dwellings import APARTMENT, DETACHED, PRIVATE, WOZ_MISSING, WOZ_YEARS
from synthetic.finances import INCOME_YEARS, Debts, Finances
from synthetic.occupancy import Spells
from synthetic.randomness import Bools, Floats, Ints, uniforms
from synthetic.setting import Setting

COVARIATES = (
    "moves", "debt", "low_income", "private_rent", "detached",
    "apartment", "large_area", "high_woz", "elderly", "child",
)  # fmt: skip
ODDS_RATIOS = (3.0, 2.2, 1.8, 1.6, 0.7, 1.0, 1.0, 1.0, 1.0, 1.0)
# boosted: about 0.5 % of dwelling-years, so that 50,000 persons give several hundred clearances
INTERCEPT = -5.75
_SPELL_DAYS = 1 << 20
_NODES = 40


@dataclass(frozen=True, slots=True)
class DwellingYears:
    """The D2 population of one municipality: covariates (rows, 10), and the planted events and their days."""

    object: Ints
    year: Ints
    covariates: Bools
    occupant: Ints
    event: Bools
    event_day: Ints


def dwelling_years(setting: Setting, spells: Spells, finances: Finances, debts: Debts) -> DwellingYears:
    """Every home with an occupant on 1 January 2012 … 2016, in order of year and object."""
    areas, objects = setting.areas, setting.objects
    u = uniforms(setting.seed, "hemp/event", setting.place.first_id, objects.count, 2 * len(OUTCOME_YEARS))
    parts = []
    keys = np.unique(spells.object * _SPELL_DAYS + (spells.start + _SPELL_DAYS // 2))
    for column, year in enumerate(OUTCOME_YEARS):
        things, covariates, occupant = _year(year, setting, spells, finances, debts=debts, keys=keys)
        score = _fixed_part(covariates) + areas.hemp_effect[objects.buurt[things]]
        event = u[things, 2 * column] < 1.0 / (1.0 + np.exp(-score))
        length = day(year + 1) - day(year)
        moment = day(year) + np.floor(u[things, 2 * column + 1] * length).astype(np.int64)
        parts.append((things, np.full(len(things), year), covariates, occupant, event, moment))
    joined = [np.concatenate([part[field] for part in parts]) for field in range(6)]
    return DwellingYears(*joined)


def _fixed_part(covariates: Bools) -> Floats:
    """Intercept plus log-odds, added in a fixed order: a matrix product may differ in its last bit elsewhere."""
    score = np.full(len(covariates), INTERCEPT)
    for column, ratio in enumerate(ODDS_RATIOS):
        score += np.log(ratio) * covariates[:, column]
    return score


def _year(
    year: int, setting: Setting, spells: Spells, finances: Finances, *, debts: Debts, keys: Ints
) -> tuple[Ints, Bools, Ints]:
    persons, objects = setting.persons, setting.objects
    first = day(year)
    rows = np.flatnonzero((spells.start <= first) & (spells.end >= first) & (spells.object < objects.homes))
    person, thing = spells.person[rows], spells.object[rows]
    column = INCOME_YEARS.index(year - 1)
    low = (finances.low[:, column] == 1) & (finances.since < first)
    indebted = np.zeros(persons.count, dtype=np.bool_)
    indebted[debts.person[(debts.start < first) & (debts.end >= first)]] = True
    birth = persons.birth[person]
    woz = objects.woz[:, WOZ_YEARS.index(year)]
    columns = [
        _moves(keys, year, objects.count) >= 2,
        _any(thing, indebted[person], objects.count),
        _any(thing, low[persons.household[person]], objects.count),
        objects.tenure == PRIVATE,
        objects.kind == DETACHED,
        objects.kind == APARTMENT,
        objects.floor_area >= 100,
        (woz >= 250_000) & (woz != WOZ_MISSING),
        _any(thing, birth <= day(year - 65), objects.count),
        _any(thing, birth > day(year - 12), objects.count),
    ]
    things = np.unique(thing)
    occupant = np.full(objects.count, -1, dtype=np.int64)
    occupant[thing[::-1]] = person[::-1]  # the first-listed occupant: the reference person
    return things, np.stack([column[things] for column in columns], axis=1), occupant[things]


def _moves(keys: Ints, year: int, objects: int) -> Ints:
    """Distinct start dates of address spells per object in the 24 months before 1 January of ``year``."""
    start = keys % _SPELL_DAYS - _SPELL_DAYS // 2
    inside = (start >= day(year - 2)) & (start < day(year))
    return np.bincount(keys[inside] // _SPELL_DAYS, minlength=objects)


def _any(thing: Ints, which: Bools, objects: int) -> Bools:
    hit = np.zeros(objects, dtype=np.bool_)
    hit[thing[which]] = True
    return hit


def pattern_counts(rows: DwellingYears) -> Ints:
    """How many dwelling-years have each of the 2**10 combinations of covariates."""
    bits = rows.covariates @ (1 << np.arange(len(COVARIATES)))
    return np.bincount(bits, minlength=1 << len(COVARIATES)).astype(np.int64)


def marginal_truth(counts: Ints) -> Floats:
    """Intercept and ten coefficients to which a pooled logit converges, given the counts per combination.

    Solves Σ n x (p(x) − σ(xγ)) = 0 by Newton, p(x) = E σ(xβ + u) with u ~ N(0, 0.5²) by Gauss–Hermite quadrature. A
    column that is constant over the population has coefficient 0 here and none in a regression.
    """
    patterns = np.flatnonzero(counts)
    x = np.column_stack([np.ones(len(patterns)), (patterns[:, None] >> np.arange(len(COVARIATES))) & 1]).astype(
        np.float64
    )
    weight = counts[patterns].astype(np.float64)
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    beta = np.concatenate([[INTERCEPT], np.log(ODDS_RATIOS)])
    given_effect = 1.0 / (1.0 + np.exp(-((x @ beta)[:, None] + HEMP_SIGMA * nodes)))
    expected = given_effect @ (weights / weights.sum())
    gamma = beta.copy()
    for _ in range(50):
        fitted = 1.0 / (1.0 + np.exp(-(x @ gamma)))
        score = x.T @ (weight * (expected - fitted))
        information = (x * (weight * fitted * (1 - fitted))[:, None]).T @ x
        step = np.linalg.lstsq(information, score, rcond=None)[0]
        gamma = gamma + step
        if np.abs(step).max() < 1e-12:
            break
    return gamma


def truth_document(counts: Ints, events: int) -> dict[str, object]:
    """What ``truth/hemp.json`` holds."""
    marginal = marginal_truth(counts)
    return {
        "covariates": list(COVARIATES),
        "odds_ratios": dict(zip(COVARIATES, ODDS_RATIOS, strict=True)),
        "conditional": {
            "intercept": INTERCEPT,
            **{name: float(np.log(ratio)) for name, ratio in zip(COVARIATES, ODDS_RATIOS, strict=True)},
        },
        "marginal": dict(zip(("intercept", *COVARIATES), (round(float(value), 9) for value in marginal), strict=True)),
        "null_variables": [n for n, ratio in zip(COVARIATES, ODDS_RATIOS, strict=True) if ratio == 1.0],
        "sigma_buurt": HEMP_SIGMA,
        "years": list(OUTCOME_YEARS),
        "first_move_year": MOVES_START_YEAR,
        "dwelling_years": int(counts.sum()),
        "exposed": {
            name: int(counts[((np.arange(len(counts)) >> bit) & 1) == 1].sum()) for bit, name in enumerate(COVARIATES)
        },
        "events": events,
    }
