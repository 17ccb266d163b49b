"""Classifications: trees with one root, read from YAML and CSV; what is no tree is refused."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from enclave.classifications import Classification, Code, load_classification
from enclave.errors import BadInput

CHECKOUT = Path(__file__).resolve().parents[2]
CODES = [("NL", "", "NL"), ("0363", "NL", "GM"), ("0599", "NL", "GM"), ("036300", "0363", "WK")]


def fields(codes: list[tuple[str, str, str]] = CODES, **changed: Any) -> dict[str, Any]:
    """A classification as it stands in a file."""
    listed = [{"code": c, "parent": up, "level": at, "label_nl": c, "label_en": c} for c, up, at in codes]
    return {"name": "region", "title_nl": "Regio", "title_en": "Region", "codes": listed, **changed}


def written(folder: Path, content: dict[str, Any]) -> Path:
    """The file."""
    path = folder / "region.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return path


def reason(path: Path) -> str:
    """Why a file is refused."""
    with pytest.raises(BadInput) as raised:
        load_classification(path)
    return str(raised.value)


def test_a_tree_knows_its_root_levels_children_and_leaves(tmp_path: Path) -> None:
    region = load_classification(written(tmp_path, fields()))
    assert region.root == "NL"
    assert region.levels == ("NL", "GM", "WK")
    assert region.children() == {"NL": ("0363", "0599"), "0363": ("036300",)}
    assert region.leaves() == ("0599", "036300")


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=30))
def test_in_any_tree_every_code_but_the_root_is_one_parents_child(parents: list[int]) -> None:
    codes = [Code(code="c0", level="0", label_nl="", label_en="")]
    for number, draw in enumerate(parents, start=1):
        codes.append(Code(code=f"c{number}", parent=f"c{draw % number}", level="x", label_nl="", label_en=""))
    tree = Classification(name="t", title_nl="t", title_en="t", codes=tuple(codes))
    below = [code for children in tree.children().values() for code in children]
    assert sorted(below) == sorted(code.code for code in codes[1:])
    assert set(tree.leaves()) == {code.code for code in codes} - tree.children().keys()


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        ([], "exactly one root"),
        ([("NL", "", "NL"), ("BE", "", "NL")], "exactly one root"),
        ([("A", "B", "x"), ("B", "A", "x")], "missing or listed after its child"),
        ([("NL", "", "NL"), ("A", "missing", "x")], "missing or listed after its child"),
        ([("A", "NL", "x"), ("NL", "", "NL")], "missing or listed after its child"),
        ([("NL", "", "NL"), ("A", "NL", "x"), ("A", "NL", "x")], "a code is listed twice"),
        ([("NL", "NL", "NL")], "missing or listed after its child"),
    ],
)
def test_what_is_no_tree_with_one_root_is_refused(tmp_path: Path, codes: list[tuple[str, str, str]], said: str) -> None:
    assert said in reason(written(tmp_path, fields(codes)))


def test_a_neutral_category_must_be_a_code(tmp_path: Path) -> None:
    assert "neutral category is no code" in reason(written(tmp_path, fields(sensitive=True, neutral=["none"])))
    assert load_classification(written(tmp_path, fields(sensitive=True, neutral=["0363"]))).neutral == ("0363",)


def test_an_unknown_or_missing_field_is_refused(tmp_path: Path) -> None:
    assert "does not hold" in reason(written(tmp_path, fields(surprise=1)))
    assert "does not hold" in reason(written(tmp_path, {"name": "x"}))


@pytest.mark.parametrize("content", [b"a: [", b"- 1", b"", b"\xff\xfe", b"1: 2"])
def test_what_is_no_classification_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "region.yaml").write_bytes(content)
    assert "the classification does not hold" in reason(tmp_path / "region.yaml")


def test_a_missing_classification_says_so(tmp_path: Path) -> None:
    assert "no such classification" in reason(tmp_path / "none.yaml")


# code lists in files


def listed_in(folder: Path, codes: list[tuple[str, str, str]] = CODES, extra: str = "") -> Path:
    """A code list as CSV, and the classification that names it."""
    folder.mkdir(exist_ok=True)
    with (folder / "region.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(["code", "parent", "level", "label_nl", "label_en"])
        writer.writerows([*row, "é", "e" + extra] for row in codes)
    content = fields(file="region.csv")
    del content["codes"]
    return written(folder, content)


def test_a_code_list_is_found_in_the_first_folder_that_has_it(tmp_path: Path) -> None:
    path = listed_in(tmp_path / "one")
    region = load_classification(path, [tmp_path / "none", tmp_path / "one"])
    assert [code.code for code in region.codes] == ["NL", "0363", "0599", "036300"]
    assert region.codes[0].label_nl == "é"


def test_a_code_list_that_is_in_no_folder_says_so(tmp_path: Path) -> None:
    path = listed_in(tmp_path / "one")
    with pytest.raises(BadInput, match="in none of the data folders") as raised:
        load_classification(path, [tmp_path / "none"])
    assert raised.value.where == "region.csv"


def test_a_code_list_that_is_no_tree_is_refused(tmp_path: Path) -> None:
    path = listed_in(tmp_path / "one", [*CODES, CODES[1]])
    with pytest.raises(BadInput, match="a code is listed twice"):
        load_classification(path, [tmp_path / "one"])


@pytest.mark.parametrize(
    "content", [b"code,parent\nNL,\n", b"code,parent,level,label_nl,label_en\na,b,c,d,e,f\n", b"\xff\xfe\n"]
)
def test_a_code_list_of_another_shape_or_encoding_is_refused(tmp_path: Path, content: bytes) -> None:
    path = listed_in(tmp_path / "one")
    (tmp_path / "one/region.csv").write_bytes(content)
    with pytest.raises(BadInput, match="does not hold"):
        load_classification(path, [tmp_path / "one"])


@pytest.mark.parametrize(
    "path", sorted((CHECKOUT / "configs/classifications").glob("*.yaml")), ids=lambda path: path.stem
)
def test_every_shipped_classification_is_a_tree(path: Path) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if content.get("file"):
        pytest.skip("its code list is made with the synthetic country")
    assert load_classification(path).codes
