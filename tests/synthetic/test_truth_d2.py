"""The planted truth of D2, derived again from registers and deliveries by pandas, following the data model's words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

from synthetic.hemp import COVARIATES, INTERCEPT, ODDS_RATIOS, marginal_truth

OBJECT = "RINOBJECTNUMMER"


def _read(country: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(country / "registers" / f"{name}.parquet")


def _debts(country: Path) -> pd.DataFrame:
    files = sorted(country.glob("deliveries/GM*/debt_assistance_2016.xlsx"))
    rows = pd.concat([pd.read_excel(path, dtype={"bsn": str}) for path in files])
    keys = pd.read_parquet(country / "key_register/persons.parquet").set_index("bsn").RINPERSOON
    return rows.assign(RINPERSOON=rows.bsn.map(keys))


def _covariates(country: Path, year: int) -> pd.DataFrame:
    first = pd.Timestamp(year, 1, 1)
    spells = _read(country, "Bevolking/GBAADRESOBJECTBUS/GBAADRESOBJECT2016BUSV1")
    start, end = spells.GBADATUMAANVANGADRESHOUDING, spells.GBADATUMEINDEADRESHOUDING
    owners = _read(country, f"BouwenWonen/EIGENDOMWOZBAGTAB/EIGENDOMWOZBAG{year}TABV1")
    homes = owners[owners.GEBRUIKSCODEWOZ.isin(["10", "11", "12"])].merge(
        _read(country, "BouwenWonen/LEVCYCLWOONNIETWOONBUS/LEVCYCLWOONNIETWOON2016BUSV1"), on=OBJECT
    )
    here = spells[(start <= f"{year}0101") & (end >= f"{year}0101") & spells[OBJECT].isin(homes[OBJECT])]
    inside = spells[(start >= f"{year - 2}0101") & (start < f"{year}0101")]
    moves = inside.groupby(OBJECT).GBADATUMAANVANGADRESHOUDING.nunique()
    debts = _debts(country)
    debts = debts[(debts.start_date < first) & (debts.end_date.isna() | (debts.end_date >= first))]
    heads = _read(country, f"InkomenBestedingen/KOPPELPERSOONHUISHOUDEN/KOPPELPERSOONHUISHOUDEN{year - 1}V1")
    income = _read(country, f"InkomenBestedingen/INHATAB/INHA{year - 1}TABV1")
    low = set(heads.merge(income[income.INHARMLAGL == "1"], on="RINPERSOONHKW").RINPERSOON)
    born = _read(country, "Bevolking/GBAPERSOONTAB/GBAPERSOON2016TABV1").set_index("RINPERSOON")
    birth = (born.GBAGEBOORTEJAAR + born.GBAGEBOORTEMAAND + born.GBAGEBOORTEDAG).reindex(here.RINPERSOON)
    here = here.assign(
        debt=here.RINPERSOON.isin(debts.RINPERSOON),
        low_income=here.RINPERSOON.isin(low),
        elderly=(birth <= f"{year - 65}0101").to_numpy(),
        child=(birth > f"{year - 12}0101").to_numpy(),
    )
    found = here.groupby(OBJECT)[["debt", "low_income", "elderly", "child"]].any()
    homes = homes.set_index(OBJECT).loc[found.index]
    found["moves"] = moves.reindex(found.index, fill_value=0) >= 2
    found["private_rent"] = homes.TypeEigenaar == "3"
    found["detached"] = homes.WONINGTYPE == "1"
    found["apartment"] = homes.WONINGTYPE == "5"
    found["large_area"] = homes.VBOOPPERVLAKTE >= 100
    found["high_woz"] = (homes.WOZWAARDE >= 250_000) & (homes.WOZWAARDE != 9_999_999_999)
    return found[list(COVARIATES)].sort_index()


@pytest.mark.parametrize("year", [2012, 2014, 2016])
def test_covariates_follow_from_registers_and_deliveries(country: Path, year: int) -> None:
    truth = pd.read_parquet(country / "truth/hemp_dwelling_years.parquet")
    truth = truth[truth.year == year].set_index(OBJECT).sort_index()
    found = _covariates(country, year)
    assert found.index.tolist() == truth.index.tolist()
    for name in COVARIATES:
        assert (found[name].to_numpy() == truth[name].to_numpy()).all(), name


def test_clearances_delivered_are_the_planted_events(country: Path) -> None:
    truth = pd.read_parquet(country / "truth/hemp_dwelling_years.parquet")
    listed = pd.read_parquet(country / "truth/hemp_events.parquet")
    files = sorted(country.glob("deliveries/GM*/hemp_clearances_2016.csv"))
    rows = pd.concat([pd.read_csv(f, sep=";", encoding="cp1252", dtype=str, keep_default_na=False) for f in files])
    keys = pd.read_parquet(country / "key_register/addresses.parquet").set_index("bag_id")[OBJECT]
    assert 0.08 < (rows.bag_id == "").mean() < 0.22, "of some homes the municipality knows no BAG number"
    home = rows.bag_id.map(keys).fillna(rows.dossier.map(listed.set_index("dossier")[OBJECT]))
    found = set(zip(home, rows.clearance_date.str[-4:].astype(int), strict=True))
    assert len(found) == len(rows), "at most one clearance per dwelling-year"
    planted = truth[truth.event]
    assert found == set(zip(planted[OBJECT], planted.year, strict=True))
    assert sorted(listed.dossier) == sorted(rows.dossier)
    assert rows.dossier.str.startswith("SYN-").all()
    assert len(rows) >= 200


def test_occupants_of_clearances_lived_there(country: Path) -> None:
    files = sorted(country.glob("deliveries/GM*/hemp_clearances_2016.csv"))
    rows = pd.concat([pd.read_csv(f, sep=";", encoding="cp1252", dtype=str, keep_default_na=False) for f in files])
    persons = pd.read_parquet(country / "key_register/persons.parquet").set_index("bsn")
    known = rows[rows.occupant_bsn != ""]
    assert 0.7 < len(known) / len(rows) < 0.9
    who = persons.loc[known.occupant_bsn]
    names = (who.first_names + " " + who.prefix + " " + who.surname).str.replace("  ", " ")
    assert names.tolist() == known.occupant_name.tolist()
    assert (who.birth_date.str[6:] + "-" + who.birth_date.str[4:6] + "-" + who.birth_date.str[:4]).tolist() == (
        known.occupant_birth_date.tolist()
    )


def test_marginal_truth_solves_the_score_equations_by_another_quadrature() -> None:
    rng = np.random.default_rng(1)
    counts = np.zeros(1024, dtype=np.int64)
    counts[rng.choice(1024, 60, replace=False)] = rng.integers(1, 5_000, 60)
    gamma = marginal_truth(counts)
    patterns = np.flatnonzero(counts)
    x = np.column_stack([np.ones(60), (patterns[:, None] >> np.arange(10)) & 1])
    scores = x @ np.concatenate([[INTERCEPT], np.log(ODDS_RATIOS)])

    def expected(score: float) -> float:
        def given(u: float) -> float:
            return float(stats.norm.pdf(u, scale=0.5) / (1 + np.exp(-score - u)))

        return float(integrate.quad(given, -6, 6, epsabs=1e-13)[0])

    residual = counts[patterns] * (np.array([expected(s) for s in scores]) - 1 / (1 + np.exp(-x @ gamma)))
    assert np.abs(x.T @ residual).max() < 1e-6 * counts.sum()


def test_without_a_buurt_effect_the_marginal_truth_would_be_the_conditional_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("synthetic.hemp.HEMP_SIGMA", 0.0)
    gamma = marginal_truth(np.arange(1024, dtype=np.int64) % 7)
    assert np.abs(gamma - np.concatenate([[INTERCEPT], np.log(ODDS_RATIOS)])).max() < 1e-8


def test_the_document_holds_the_planted_odds_ratios_and_weaker_marginal_ones(country: Path) -> None:
    document = json.loads((country / "truth/hemp.json").read_text())
    # domain.md, "Planted truths"
    assert [document["odds_ratios"][n] for n in COVARIATES[:5]] == [3.0, 2.2, 1.8, 1.6, 0.7]
    assert document["null_variables"] == list(COVARIATES[5:])
    assert document["sigma_buurt"] == 0.5
    for name in COVARIATES[:5]:
        assert abs(document["marginal"][name]) < abs(document["conditional"][name])
    # with rare events the buurt effect moves the intercept by about sigma^2 / 2 = 0.125
    assert document["marginal"]["intercept"] - document["conditional"]["intercept"] == pytest.approx(0.125, abs=0.02)


def test_a_pooled_logit_finds_the_marginal_truth(country: Path) -> None:
    import statsmodels.api as sm

    rows = pd.read_parquet(country / "truth/hemp_dwelling_years.parquet")
    x = sm.add_constant(rows[list(COVARIATES)].astype(float))
    fitted = sm.Logit(rows.event.astype(float), x).fit(
        disp=False, cov_type="cluster", cov_kwds={"groups": rows.buurt.astype("category").cat.codes}
    )
    truth = json.loads((country / "truth/hemp.json").read_text())["marginal"]
    z = [(fitted.params[name] - truth[name]) / fitted.bse[name] for name in COVARIATES]
    # ten z-scores: one beyond 4 would have probability below 0.001
    assert np.abs(z).max() < 4


@pytest.mark.sweep
def test_intervals_cover_the_marginal_truth_over_twenty_seeds(tmp_path: Path) -> None:
    import statsmodels.api as sm

    from synthetic.country import make_country

    covered = trials = 0
    for seed in range(20):
        out = tmp_path / str(seed)
        make_country(out, persons=50_000, seed=seed)
        rows = pd.read_parquet(out / "truth/hemp_dwelling_years.parquet")
        x = sm.add_constant(rows[list(COVARIATES)].astype(float))
        groups = rows.buurt.astype("category").cat.codes
        fitted = sm.Logit(rows.event.astype(float), x).fit(disp=False, cov_type="cluster", cov_kwds={"groups": groups})
        truth = json.loads((out / "truth/hemp.json").read_text())["marginal"]
        inside = [abs(fitted.params[n] - truth[n]) < 1.96 * fitted.bse[n] for n in COVARIATES]
        covered, trials = covered + sum(inside), trials + len(inside)
        (out / "truth/hemp_dwelling_years.parquet").unlink()
    assert stats.binom.cdf(covered, trials, 0.95) > 0.001, f"{covered} of {trials}"
