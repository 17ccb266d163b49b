"""Figures of the registers by theme, derived from the written Parquet with DuckDB, following the data model's words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

_VIEWS = """
create view facts as from VERDFEIT2016BUSV1;
create view persons as select *, GBAGEBOORTEJAAR || GBAGEBOORTEMAAND || GBAGEBOORTEDAG as born from GBAPERSOON2016TABV1;
create view households as from GBAHUISHOUDENS2016BUSV1;
create view owned as from EIGENDOMWOZBAG2016TABV1 where GEBRUIKSCODEWOZ in ('10', '11', '12');
create view owners as
    select distinct rin from (
        select RINEIGENAAR as rin from owned where SOORTRINEIGENAAR = 'R'
        union all
        select RINEIGENAAR2 from owned where SOORTRINEIGENAAR2 = 'R');
create view areas as from VSLGWB2016TAB03V1;
create view addresses as
    select RINPERSOON, 'BU' || bc2016 as buurt, 'WK' || wc2016 as wijk
    from GBAADRESOBJECT2016BUSV1 join areas using (RINOBJECTNUMMER)
    where GBADATUMAANVANGADRESHOUDING <= '20160101' and GBADATUMEINDEADRESHOUDING >= '20160101';
"""


def query(country: Path, sql: str) -> pd.DataFrame:
    """A query that names registers by their files, and the views above."""
    with duckdb.connect(config={"threads": 1}) as connection:
        for path in sorted((country / "registers").rglob("*.parquet")):
            connection.execute(f"create view {path.stem} as from '{path}'")
        connection.execute(_VIEWS)
        return connection.execute(sql).df()


def planted(country: Path) -> dict[str, Any]:
    """The parameters in ``truth/themes.json``."""
    found: dict[str, Any] = json.loads((country / "truth/themes.json").read_text())
    return found


def windhappers(country: Path) -> pd.DataFrame:
    """Every natural owner of a home with the three readings a, b and c, indexed by RINPERSOON."""
    return query(
        country,
        """
        with year as (
            select RINPERSOON, bool_and(SECM in ('31', '32')) and min(AANVSECM) <= '20150101'
                   and max(EINDSECM) >= '20151231' idle
            from SECM2015BUSV1 group by all)
        select o.rin RINPERSOON,
               coalesce(idle and INPPERSBRUT <= 0, false) a,
               coalesce(INHARMLAGL = '1' and VEHW1000VERH < if(TYPHH in ('1', '7'), 5920, 11840), false) b,
               coalesce(INPPERSBRUT <= 0 and VEHW1000VERH <= 0, false) c
        from owners o
        left join year y on y.RINPERSOON = o.rin
        left join INPA2015TABV1 p on p.RINPERSOON = o.rin
        left join KOPPELPERSOONHUISHOUDEN2015V1 k
            on k.RINPERSOON = o.rin
        left join INHA2015TABV1 i using (RINPERSOONHKW)
        left join VEH2016TABV1 v using (RINPERSOONHKW)
        left join households h on h.RINPERSOON = o.rin
        """,
    ).set_index("RINPERSOON")


def degrees(country: Path) -> pd.DataFrame:
    """Directors on the reference date: degree (distinct standing foundations) and antecedent in 2009 – 2015."""
    return query(
        country,
        """
        with boards as (
            select RINPERSOON, count(distinct BEID) degree
            from BESTUURDER2016BUSV1
            join STICHTING2016TABV1 using (BEID)
            where FUNCTIE <> '9' and AANVANGFUNCTIE <= '20160101' and EINDEFUNCTIE >= '20160101'
                  and DATUMSTOP >= '20160101'
            group by all),
        before as (
            select distinct RINPERSOON from facts
            where RINPERSOONS = 'R' and FEITDATUM between '20090101' and '20151231')
        select b.RINPERSOON, degree, f.RINPERSOON is not null antecedent
        from boards b left join before f using (RINPERSOON)
        """,
    ).set_index("RINPERSOON")


def transitions(country: Path) -> pd.DataFrame:
    """Counts of from-type × to-type: consecutive dates before 2016 with one fact each."""
    rows = query(
        country,
        """
        with days as (
            select RINPERSOON, FEITDATUM, count(*) n, min(FEITSCM) crime from facts
            where RINPERSOONS = 'R' and FEITDATUM < '20160101' group by all),
        steps as (
            select crime, n, lead(crime) over w following, lead(n) over w n_following
            from days window w as (partition by RINPERSOON order by FEITDATUM))
        select crime, following, count(*) n from steps where n = 1 and n_following = 1 group by all
        """,
    )
    return rows.pivot_table(index="crime", columns="following", values="n", fill_value=0).sort_index(axis=1)


def drug_facts(country: Path) -> pd.DataFrame:
    """Counts of age group × class, and the share of suspects of each class who live with parents."""
    return query(
        country,
        """
        with facts as (
            select FEITDELICT, PLHH = '1' home,
                   (FEITDATUM::int - born::int) // 10000 age
            from facts f join persons using (RINPERSOON) join households using (RINPERSOON)
            where f.RINPERSOONS = 'R' and FEITSCM = '6')
        select FEITDELICT class, home,
               case when age < 18 then '12-17' when age <= 25 and home then '18-25 with parents'
                    when age <= 25 then '18-25' when age <= 45 then '26-45' else '46+' end age_group, count(*) n
        from facts group by all
        """,
    )


def youth(country: Path) -> pd.DataFrame:
    """Residents aged 8 – 23 on the reference date by detention, youth probation and a first drug suspicion in 2016."""
    return query(
        country,
        """
        with drugs as (select RINPERSOON, min(FEITDATUM) first from facts
                       where RINPERSOONS = 'R' and FEITSCM = '6' group by all)
        select coalesce(left(first, 4) = '2016', false) target, d.RINPERSOON is not null detention,
               y.RINPERSOON is not null youth_probation, count(*) n
        from persons p
        left join drugs using (RINPERSOON)
        left join (select distinct RINPERSOON from GEDETINEERDEN2015TABV1) d
            on d.RINPERSOON = p.RINPERSOON
        left join (select distinct RINPERSOON from JGDRECLASS2015BUSV1
                   where EINDJGDRECLASS >= '20150101') y on y.RINPERSOON = p.RINPERSOON
        where born > '19920101' and born <= '20080101'
        group by all
        """,
    )


def branches(country: Path) -> pd.DataFrame:
    """Establishments per *buurt* × branch (every combination), with the number expected by the national share."""
    rows = query(
        country,
        """
        with cells as (select 'BU' || bc2016 as buurt, SBI, count(*) n from VEST2016TABV1 group by all),
        areas as (select buurt, sum(n) total from cells group by all),
        kinds as (select SBI, sum(n) total, sum(n) / (select sum(n) from cells) share from cells group by all)
        select a.buurt, k.SBI, coalesce(n, 0)::int n, (a.total * share)::double expected
        from areas a cross join kinds k left join cells c on c.buurt = a.buurt and c.SBI = k.SBI
        """,
    )
    return rows.set_index(["buurt", "SBI"])


def reports(country: Path) -> tuple[pd.DataFrame, float]:
    """Per dossier the transactions of entities and of BVs among them; and the share of BVs in the register."""
    rows = query(
        country,
        """
        select FIUDOSSIER, count(*) n, count_if(RECHTSVORM = '30') bv
        from FIU2015TABV1 join BE2016TABV1 on BEID = RINPARTIJ
        where SOORTRINPARTIJ = 'E' group by all order by all
        """,
    )
    share = query(country, "select avg((RECHTSVORM = '30')::int) share from BE2016TABV1").share[0]
    return rows, float(share)


def wijken(country: Path) -> pd.DataFrame:
    """Per *wijk*: share of mortgages on homes of persons, of assistance at ages 23 – 64, of vans."""
    return query(
        country,
        """
        with homes as (
            select 'WK' || wc2016 wijk, avg((m.RINOBJECTNUMMER is not null)::int) mortgage
            from owned o join areas a using (RINOBJECTNUMMER)
            left join HYPOTHEEK2016TABV1 m on m.RINOBJECTNUMMER = o.RINOBJECTNUMMER
            where SOORTRINEIGENAAR = 'R' group by all),
        people as (
            select wijk, avg((b.RINPERSOON is not null)::int) assistance
            from persons p join addresses a on a.RINPERSOON = p.RINPERSOON
            left join BIJSTANDUITKERING2015TABV1 b
                on b.RINPERSOON = p.RINPERSOON
            where born between '19500102' and '19911231' group by all),
        cars as (
            select wijk, avg((VOERTUIGSOORT = '2')::int) vans
            from VOERTUIG2016TABV1 join addresses using (RINPERSOON) group by all)
        select * from homes join people using (wijk) join cars using (wijk) order by wijk
        """,
    ).set_index("wijk")
