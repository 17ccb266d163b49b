"""Reproducing a release: the same analysis, data, code and policy must give the same bytes."""

from __future__ import annotations

from pathlib import Path

from enclave.errors import NotReady, Tampered
from enclave.fingerprints import digest_bytes, digest_file
from pipeline.research import ResearchDesk


def compare(bundle: Path, analysis: str, version: int, desk: ResearchDesk) -> tuple[str, ...]:
    """Run and check ``analysis`` anew and compare all files of ``outputs/`` and ``evidence/``; returns their names.

    Raises:
        NotReady: this installation runs another version of the analysis.
        Tampered: files differ, are missing or are too many; names them, shows no content.
    """
    use = desk.office.project.analysis(analysis)
    if use.version != version:
        raise NotReady(
            f"the release is of {analysis} version {version}; this project runs version {use.version}",
            next_step="take the project file and the code of the release",
        )
    checked = desk.checker(use)()
    made = {name: digest_bytes(content) for name, content in {**checked.outputs, **checked.evidence}.items()}
    parts = [path for part in ("outputs", "evidence") for path in sorted((bundle / part).rglob("*")) if path.is_file()]
    released = {path.relative_to(bundle).as_posix(): digest_file(path) for path in parts}
    differing = sorted(name for name in made.keys() | released.keys() if made.get(name) != released.get(name))
    if differing:
        raise Tampered(
            f"run again, {len(differing)} file(s) differ: {', '.join(differing)}",
            where=bundle.name,
            next_step="compare evidence/…/inputs.json: it names the data, code and environment of the release",
        )
    return tuple(sorted(released))
