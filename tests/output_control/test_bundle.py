"""The bundle on disk and its crate: names, manifest, modes, and that it is there whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enclave.errors import Tampered
from enclave.fingerprints import digest_bytes
from enclave.journal import Head
from enclave.signatures import PayloadType
from output_control.release import bundle
from output_control.release.crate import Approver, CrateFacts, build_crate
from tests.output_control.desk import SERVICE, Office, contents

FACTS = CrateFacts(
    project="zicht_demo",
    analysis="v3",
    version=2,
    request="v3-v2-0123456789ab",
    title="Pass-through homes",
    author="p-author",
    submitted="2026-03-02T09:01:00+00:00",
    released="2026-03-02T09:04:00+00:00",
    approvers=[Approver("p-first", "2026-03-02T09:02:00+00:00"), Approver("p-second", "2026-03-02T09:03:00+00:00")],
)
FILES = {"outputs/v3/a.csv": b"1\n", "evidence/v3/a.json": b"{}", "policy.json": b"{}", "journal-head": b"x"}


def test_the_name_says_analysis_version_and_content() -> None:
    assert bundle.bundle_name("v3", 2, "abcdef0123456789") == "v3-v2-abcdef01"


def test_the_manifest_lists_every_file_with_its_sha256() -> None:
    listed = json.loads(bundle.manifest(FILES))
    assert listed["files"] == {name: digest_bytes(content) for name, content in FILES.items()}
    assert listed["algorithm"] == "sha256"


@given(st.dictionaries(st.from_regex(r"outputs/[a-z]{1,5}\.csv", fullmatch=True), st.binary(max_size=50), max_size=5))
def test_the_order_in_which_files_come_changes_no_byte(files: dict[str, bytes]) -> None:
    backwards = dict(reversed(list(files.items())))
    assert bundle.signed_files(files, SERVICE) == bundle.signed_files(backwards, SERVICE)
    assert build_crate(FACTS, files) == build_crate(FACTS, backwards)


def test_the_signature_is_over_the_manifests_bytes() -> None:
    files = bundle.signed_files(FILES, SERVICE)
    signature = files["manifest.sig"].decode().removesuffix("\n")
    SERVICE.public.verify(PayloadType.RELEASE, files["manifest.json"], signature)
    with pytest.raises(Tampered):
        SERVICE.public.verify(PayloadType.APPROVAL, files["manifest.json"], signature)


def test_the_journal_head_is_an_anchor() -> None:
    assert json.loads(bundle.journal_head(Head(7, "ab"))) == {"sequence": 7, "digest": "ab"}


def test_a_bundle_is_written_read_only(tmp_path: Path) -> None:
    bundle.write_bundle(tmp_path / "b", FILES, lambda fresh: None)
    assert contents(tmp_path / "b") == FILES
    for path in (tmp_path / "b").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o444)


def test_a_bundle_that_its_check_refuses_is_never_there(tmp_path: Path) -> None:
    def refuse(fresh: Path) -> None:
        assert contents(fresh) == FILES
        assert not (tmp_path / "b").exists()
        raise Tampered("no")

    with pytest.raises(Tampered):
        bundle.write_bundle(tmp_path / "b", FILES, refuse)
    assert list(tmp_path.iterdir()) == []


def test_the_crate_names_every_file_the_author_and_both_disclosure_checks() -> None:
    graph: dict[str, Any] = {entity["@id"]: entity for entity in json.loads(build_crate(FACTS, FILES))["@graph"]}
    root = graph["./"]
    assert [part["@id"] for part in root["hasPart"]] == sorted(FILES)
    assert root["conformsTo"] == {"@id": "https://w3id.org/5s-crate/0.4"}
    assert root["datePublished"] == FACTS.released
    assert graph["#run"]["agent"] == {"@id": "#person-p-author"}
    assert graph["#run"]["result"] == [{"@id": "outputs/v3/a.csv"}]
    checks = [entity for entity in graph.values() if entity["@type"] == "AssessAction"]
    assert [check["agent"]["@id"] for check in checks] == ["#person-p-first", "#person-p-second"]
    assert {check["additionalType"]["@id"] for check in checks} == {"shp:DisclosureCheck"}
    assert graph["policy.json"]["sha256"] == digest_bytes(b"{}")
    assert graph["journal-head"]["encodingFormat"] == "text/plain"


def test_every_entity_that_the_crate_refers_to_inside_is_described_in_it() -> None:
    graph = json.loads(build_crate(FACTS, FILES))["@graph"]
    described = {entity["@id"] for entity in graph}

    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [value["@id"]] if value.keys() == {"@id"} else [r for v in value.values() for r in references(v)]
        return [r for v in value for r in references(v)] if isinstance(value, list) else []

    inside = [r for entity in graph for r in references(entity) if not r.startswith(("http", "shp:"))]
    assert set(inside) <= described
    assert len(described) == len(graph)


def test_the_rocrate_library_reads_the_crate_of_a_release(office: Office) -> None:
    from rocrate.rocrate import ROCrate

    released = office.release(office.approved()).path
    crate = ROCrate(str(released))
    listed = {entity.id for entity in crate.data_entities}
    assert listed == contents(released).keys() - {"manifest.json", "manifest.sig", "ro-crate-metadata.json"}
    assert crate.root_dataset["conformsTo"] == "https://w3id.org/5s-crate/0.4"
