"""Files that people write: read as their author meant them, or refused with a line."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from enclave.yaml_files import NotYaml, read_fields, read_yaml

CANARY = "999400131"
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.dates() | st.text(alphabet="abcé: -#'\"\n", max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


class _NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True


@given(value=values)
def test_what_was_written_is_read_back(value: object) -> None:
    assert read_yaml(yaml.dump(value, Dumper=_NoAliases, allow_unicode=True)) == value
    assert read_yaml(yaml.safe_dump([value, value])) == [value, value]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"a: 1\nb: 2\na: {CANARY}\n", "line 3: the key stands twice"),
        (f"a:\n  c: 1\n  c: {CANARY}\n", "line 3: the key stands twice"),
        (f"a: &x [*x, {CANARY}]\n", "it stands for more than 100,000 values"),
        (f"a: {{1: a,\n 0x1: {CANARY}}}\n", "line 2: the key stands twice"),
        (f"a:\n  yes: a\n  true: {CANARY}\n", "line 3: the key stands twice"),
        (
            f"a: &x {{c: {CANARY}}}\nb: {{<<: *x}}\n",
            "line 2: another mapping cannot be taken in (<<): write its fields out",
        ),
        (f"a: 1\n<<: {{b: {CANARY}}}\n", "line 2: another mapping cannot be taken in (<<): write its fields out"),
        (f"? [{CANARY}]\n: 1\n", "line 1: a list or mapping is no key"),
        (f"a: !!python/object:os.system {CANARY}\n", "line 1: a value must not say its own type (!…)"),
        (f"a: 1\nb: !!binary {CANARY}\n", "line 2: a value must not say its own type (!…)"),
        (f"!!set {{{CANARY}}}\n", "line 1: a value must not say its own type (!…)"),
        (f"a: ! {CANARY}\n", "line 1: a value must not say its own type (!…)"),
        (f"a: {CANARY}\nb: [1\n", "not readable as YAML in line 3"),
        ("a: 2016-13-01\n", "not readable as YAML"),
        ("a: " + "[" * 60 + "]" * 60, "nested more than 50 deep"),
        ("[" * 100_000, "nested more than 50 deep"),
        (f"- {CANARY}\n", "not a mapping of names to values"),
        (f"{CANARY}: 1\n", "not a mapping of names to values"),
        ("", "not a mapping of names to values"),
        (b"\xff\xfe\x00", "not readable as YAML"),
        (f"a: 1\n---\na: {CANARY}\n", "not readable as YAML in line 2"),
    ],
)
def test_what_could_be_read_in_two_ways_or_grows_without_end_is_refused(text: bytes | str, said: str) -> None:
    with pytest.raises(NotYaml) as caught:
        read_fields(text)
    assert str(caught.value) == said
    assert caught.value.__cause__ is None


def test_a_billion_laughs_are_refused_at_once() -> None:
    laughs = "\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9 if i else ['ha'] * 9)}]" for i in range(12))
    with pytest.raises(NotYaml, match="more than 100,000 values"):
        read_fields(laughs)
