"""What matching by filter knows of its own quality: less than matching by name, since no record has an identifier."""

from __future__ import annotations

from linkage.encodings.match import EncodedResult
from linkage.evidence import MatchEvidence, duplicate_precision, share_of


def encoded_evidence(
    result: EncodedResult, *, wanted: int, threshold: float, one_to_one: bool, name: str
) -> MatchEvidence:
    """Counts, and the precision by the duplicate method; precision and recall proper are not known (0–1).

    ``review`` counts the records that a rival within the margin kept from being linked; ``name`` is the pass's.
    """
    linked = len(result.record)
    return MatchEvidence(
        threshold=threshold,
        one_to_one=one_to_one,
        register_units=result.units,
        trained_on=0,
        pairs=result.pairs,
        wanted=wanted,
        linked=linked,
        review=result.ambiguous,
        passes={name: linked} if linked else {},
        expected_precision=None,
        expected_recall=None,
        precision=share_of(0, 0),
        recall=share_of(0, 0),
        duplicate_precision=duplicate_precision(result.links),
        levels=(),
        weights=(),
    )
