"""Linking: planted truths come out, declared columns only, and what does not fit is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe
import pytest

from enclave.errors import BadInput, KeyUnavailable, NotReady, Refused
from enclave.frames import open_frame
from enclave.project import DataSet, Key, Project, Question
from enclave.zones import Linked
from linkage.key_zone import read_batches
from linkage.link import LinkResult
from linkage.units import generations
from tests.linkage.conftest import Keys, Site, read_delivery, write_frame
from tests.linkage.linked_rows import delivered, key_register, numbers, rows


def units(site: Site) -> dict[int, str]:
    return {number: unit for unit, number in numbers(site).items()}


def as_units(frame: pd.DataFrame, site: Site, keys: list[str]) -> pd.DataFrame:
    """A linked frame with its numbers turned back into marked register keys."""
    back = units(site)
    return frame.assign(**{key: [None if pd.isna(n) else back[int(n)] for n in frame[key]] for key in keys})


def test_every_transfer_reaches_the_dwelling_and_the_buyer_that_were_planted(
    site: Site, linked: LinkResult, country: Path
) -> None:
    given = delivered(country, "kadaster/*")
    objects = key_register(country, "addresses").set_index("bag_id")["RINOBJECTNUMMER"]
    persons = key_register(country, "persons").set_index("bsn")["RINPERSOON"]
    entities = key_register(country, "entities")
    rsin, kvk = (entities.drop_duplicates(name).set_index(name)["BEID"] for name in ("rsin", "kvk"))
    buyer = ("P" + given["buyer_bsn"].map(persons)).fillna("E" + given["buyer_rsin"].map(rsin))
    buyer = buyer.fillna("E" + given["buyer_kvk"].map(kvk))
    expected = pd.DataFrame(
        {
            "dwelling": "O" + given["bag_id"].map(objects),
            "buyer": buyer,
            "deed_date": pd.to_datetime(given["deed_date"], format="%d-%m-%Y").dt.date,
            "deed_sequence": given["deed_sequence"].astype(int),
            "deed_type": given["deed_type"],
        }
    )
    found = as_units(pq.read_table(linked.frames["transfers"].path).to_pandas(), site, ["dwelling", "buyer"])
    unmatched = found["buyer"].str.startswith("U").fillna(False)
    assert unmatched.sum() == expected["buyer"].isna().sum()
    found["buyer"] = found["buyer"].mask(unmatched)
    assert rows(found[list(expected)]) == rows(expected)
    assert (found["dwelling_status"] == "R").all()
    assert (found["buyer_status"].eq("S") == unmatched).all()


def test_every_address_spell_keeps_its_person_and_dwelling(site: Site, linked: LinkResult, country: Path) -> None:
    path = country / "registers" / "Bevolking" / "GBAADRESOBJECTBUS" / "GBAADRESOBJECT2016BUSV1.parquet"
    given = pd.read_parquet(path)
    expected = pd.DataFrame(
        {
            "person": "P" + given["RINPERSOON"],
            "dwelling": "O" + given["RINOBJECTNUMMER"],
            "start": given["GBADATUMAANVANGADRESHOUDING"],
            "end": given["GBADATUMEINDEADRESHOUDING"],
        }
    )
    found = as_units(pq.read_table(linked.frames["addresses"].path).to_pandas(), site, ["person", "dwelling"])
    found = found.rename(columns={"GBADATUMAANVANGADRESHOUDING": "start", "GBADATUMEINDEADRESHOUDING": "end"})
    assert rows(found[list(expected)]) == rows(expected)


def test_a_household_has_another_number_than_its_reference_person(site: Site, linked: LinkResult) -> None:
    back = units(site)
    table = pq.read_table(linked.frames["household_link_2015"].path).to_pandas()
    households = {back[number] for number in table["household"]}
    assert {unit[0] for unit in households} == {"H"}
    assert not set(table["household"]) & set(table["person"])
    income = pq.read_table(linked.frames["income_2015"].path)["household"].to_pylist()
    assert set(table["household"]) == set(income)


def test_linked_files_hold_declared_columns_only_with_their_roles(linked: LinkResult, project: Project) -> None:
    for name, frame in linked.frames.items():
        keys = [column for key in project.data[name].keys for column in (key.name, f"{key.name}_status")]
        assert [c.name for c in frame.manifest.columns] == keys + list(project.declared_columns(name))
        assert frame.manifest.column_names("key") == tuple(key.name for key in project.data[name].keys)
        assert frame.manifest.parents
        assert open_frame(frame.path, Linked).rows == frame.rows
    assert linked.frames["debts"].manifest.retention_date == "2027-06-30"
    assert linked.frames["persons"].manifest.retention_date == project.retention_date.isoformat()


def test_no_register_key_and_no_keyed_hash_reaches_the_linked_zone(
    site: Site, linked: LinkResult, country: Path
) -> None:
    secrets = {unit[1:].lstrip("S") for unit in numbers(site)}
    hashes = pq.read_table(site.zone.folder / "hashes-000001.parquet")["hash"].to_pylist()
    secrets |= {value.hex() for value in hashes} | {value.hex().upper() for value in hashes}
    raw = set(hashes)
    found = 0
    for path in site.out.iterdir():
        content = path.read_bytes()
        assert not any(value in content for value in raw)
        if path.suffix != ".parquet":
            # a figure behind the point of a picture's measure is none: 60.00000000000002
            text = re.sub(r"[0-9]+\.[0-9]+", "", content.decode())
            assert not any(secret in text for secret in secrets if len(secret) >= 9)
            continue
        for column in pq.read_table(path).columns:
            assert not pa.types.is_binary(column.type)
            texts = {str(value) for value in column.unique().to_pylist()}
            assert not texts & secrets
            found += len(texts)
    assert found > 1000
    register = pq.read_table(country / "registers" / "Bevolking" / "GBAPERSOONTAB" / "GBAPERSOON2016TABV1.parquet")
    assert set(register["RINPERSOON"].to_pylist()) & secrets  # the search does find what is there


def test_rows_are_in_the_order_of_the_numbers(linked: LinkResult) -> None:
    for frame in linked.frames.values():
        table = pq.read_table(frame.path).to_pandas()
        keys = list(frame.manifest.column_names("key"))
        assert table.sort_values(keys, na_position="first")[keys].equals(table[keys])


class _Vault(pe.KmsClient):  # type: ignore[misc]  # pyarrow has no types
    def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> str:
        return bytes(b ^ 0x5A for b in key_bytes).hex()

    def unwrap_key(self, wrapped_key: str, master_key_identifier: str) -> bytes:
        return bytes(b ^ 0x5A for b in bytes.fromhex(wrapped_key))


@pytest.fixture
def vault() -> Iterator[tuple[Any, Any]]:
    factory = pe.CryptoFactory(lambda _: _Vault())
    how = pe.EncryptionConfiguration(footer_key="k", uniform_encryption=True, data_key_length_bits=256)
    yield (
        lambda: factory.file_encryption_properties(pe.KmsConnectionConfig(), how),
        lambda: factory.file_decryption_properties(pe.KmsConnectionConfig(), pe.DecryptionConfiguration()),
    )


def test_key_tables_and_frames_may_be_encrypted_and_the_result_is_the_same(
    site: Site, linked: LinkResult, tmp_path: Path, vault: tuple[Any, Any]
) -> None:
    encrypt, decrypt = vault
    frames = dict(site.frames)
    frames["debt_assistance"] = [
        write_frame(
            tmp_path / path.parent.name / "debts.parquet",
            "debt_assistance",
            read_delivery(path),
            site.keys,
            encryption=encrypt(),
            decryption=decrypt(),
        )
        for path in sorted((site.country / "deliveries").glob("*/*.xlsx"))
    ]
    own = site.at(tmp_path / "site", zone_means=vault, frames=frames)
    own.run()
    own.run()
    assert numbers(own) == numbers(site)
    for name in set(site.project.data) - {"debts"}:
        assert (own.out / f"{name}.parquet").read_bytes() == (site.out / f"{name}.parquet").read_bytes()
    assert pq.read_table(own.out / "debts.parquet").equals(pq.read_table(site.out / "debts.parquet"))
    tables = sorted(own.zone.folder.glob("*.parquet"))
    assert len(tables) >= 2
    for path in tables:
        assert path.read_bytes()[:4] == b"PARE"
        assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(KeyUnavailable):
        list(read_batches(tables[0], ["hash"], None))


def _project(project: Project, **uses: tuple[str, ...]) -> Project:
    question = Question(text="?", uses={**project.questions["D2"].uses, **uses})
    return project.model_copy(update={"questions": {**project.questions, "D2": question}})


@pytest.mark.parametrize(
    ("uses", "error", "says"),
    [
        ({"debts": ("surname",)}, Refused, "surname is removed by pseudonymisation"),
        ({"debts": ("bsn_hash",)}, Refused, "which unit"),
        ({"debts": ("bsn",)}, Refused, "bsn is removed"),
        ({"persons": ("RINPERSOON",)}, Refused, "which unit"),
        ({"property_2014": ("RINEIGENAAR2",)}, Refused, "which unit"),
        ({"persons": ("SCHOENMAAT",)}, BadInput, "SCHOENMAAT"),
        ({"debts": ("shoe_size",), "clearances": ("hat_size",)}, BadInput, r"(?s)hat_size.*shoe_size"),
    ],
)
def test_a_column_that_may_not_or_cannot_be_used_is_refused_and_nothing_is_written(
    site: Site, tmp_path: Path, uses: dict[str, tuple[str, ...]], error: type[Exception], says: str
) -> None:
    own = site.at(tmp_path, project=_project(site.project, **uses))
    with pytest.raises(error, match=says):
        own.run(dropped={"debt_assistance": ["surname", "bsn"]})
    assert not own.out.exists()
    assert not generations(own.zone)


def test_frames_of_another_project_or_under_other_keys_are_refused(site: Site, tmp_path: Path) -> None:
    table = read_delivery(next((site.country / "deliveries").glob("*/*.xlsx")))
    stranger = write_frame(tmp_path / "a.parquet", "debt_assistance", table, Keys("anders"))
    with pytest.raises(Refused, match="project anders"):
        site.at(tmp_path / "1", frames={**site.frames, "debt_assistance": [stranger]}).run()
    rotated = Keys("ondermijning")
    newer = site.at(tmp_path / "2")

    class Rotated(Keys):
        def ids(self) -> dict[str, str]:
            return {kind: f"{value};v2" for kind, value in super().ids().items()}

    with pytest.raises(Refused, match="other keys"):
        site.at(tmp_path / "2", keys=Rotated(rotated.project)).run()
    assert not newer.out.exists()


def test_what_is_missing_is_named_with_the_next_step(site: Site, tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="no delivery of debt_assistance"):
        site.at(tmp_path / "1", frames={n: f for n, f in site.frames.items() if n != "debt_assistance"}).run()
    wrong = {**site.project.data, "persons": DataSet(register="A/B", keys=site.project.data["persons"].keys)}
    with pytest.raises(NotReady, match="no register file B"):
        site.at(tmp_path / "2", project=site.project.model_copy(update={"data": wrong})).run()
    with pytest.raises(NotReady, match="key register has no file"):
        site.at(tmp_path / "3").run(key_register=tmp_path)


def test_keys_that_do_not_fit_their_source_are_all_named(site: Site, tmp_path: Path) -> None:
    data = dict(site.project.data)
    data["debts"] = DataSet(delivery="debt_assistance", keys=(Key(name="h", kind="household", source=("bsn",)),))
    data["persons"] = DataSet(
        register=data["persons"].register_file, keys=(Key(name="p", kind="person", source=("RINPERSOON",)),)
    )
    with pytest.raises(BadInput) as caught:
        site.at(tmp_path, project=site.project.model_copy(update={"data": data})).run()
    assert {fault.column for fault in caught.value.faults} == {"h", "p"}


def test_identifiers_are_tried_in_order_and_an_ambiguous_one_leads_to_nobody(
    site: Site, country: Path, tmp_path: Path
) -> None:
    entities, persons = key_register(country, "entities"), key_register(country, "persons")
    register = tmp_path / "register"
    register.mkdir()
    twice = persons.iloc[[0]].assign(RINPERSOON=persons["RINPERSOON"].iloc[1])
    for name in ("addresses", "entities"):
        (register / f"{name}.parquet").write_bytes((country / "key_register" / f"{name}.parquet").read_bytes())
    pd.concat([persons, twice]).to_parquet(register / "persons.parquet", index=False)
    known, firm = persons["bsn"].iloc[5], entities.iloc[0]
    bag = key_register(country, "addresses")["bag_id"].iloc[0]
    cases = [  # bsn, rsin, kvk -> unit, status
        (known, firm["rsin"], "", "P" + persons["RINPERSOON"].iloc[5], "R"),
        ("", firm["rsin"], firm["kvk"], "E" + firm["BEID"], "R"),
        ("", "", firm["kvk"], "E" + firm["BEID"], "R"),
        (persons["bsn"].iloc[0], "", "", "U", "S"),
        (persons["bsn"].iloc[0], firm["rsin"], "", "E" + firm["BEID"], "R"),
        ("", "", "", None, ""),
    ]
    table = pa.table(
        {
            "bag_id": [bag] * len(cases),
            "buyer_bsn": [case[0] for case in cases],
            "buyer_rsin": [case[1] for case in cases],
            "buyer_kvk": [case[2] for case in cases],
            "deed_date": ["01-02-2003"] * len(cases),
            "deed_sequence": [str(i) for i in range(len(cases))],
            "deed_type": ["sale"] * len(cases),
        }
    )
    frame = write_frame(tmp_path / "kadaster" / "f.parquet", "land_registry", table, site.keys)
    own = site.at(tmp_path / "site", frames={**site.frames, "land_registry": [frame]})
    result = own.run(key_register=register)
    found = as_units(pq.read_table(own.out / "transfers.parquet").to_pandas(), own, ["buyer"])
    found = found.sort_values("deed_sequence")
    buyers = [None if pd.isna(unit) else "U" if unit[0] == "U" else unit for unit in found["buyer"]]
    assert buyers == [case[3] for case in cases]
    assert found["buyer_status"].tolist() == [case[4] for case in cases]
    assert result.report.key_tables.ambiguous == 1
