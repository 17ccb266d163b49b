"""What a release says of how its table was protected."""

from __future__ import annotations

from enclave.requests import TableRequest
from output_control.alternatives.altered import AlteredTable

OTHER_RELEASES = (
    "the true figures of this table must not leave in any other way: another protection of the same cells, or "
    "another table of nearly the same units, can undo this one; compare with earlier releases before approving"
)
LEFT_OUT = "margins that few areas could bear are left out as a whole; they have the status of suppressed cells"


def how_protected(altered: AlteredTable | None) -> str:
    """The check that stands in the evidence for how figures are protected."""
    return "secondary suppression over all hierarchies" if altered is None else f"figures altered: {altered.said}"


def attacker_of(altered: AlteredTable | None) -> str:
    """What the attacker of the audit knows."""
    if altered is None:
        return "full equations of all hierarchies, figures of 0 or more"
    return (
        "the published figures, the method and its parameters, full equations of the true table, whole figures of 0 or "
        "more; not the noise key"
    )


def protection_document(request: TableRequest, altered: AlteredTable | None) -> dict[str, object]:
    """Method and public parameters, for whoever uses the figures."""
    if altered is None:
        return {"method": request.protection.method}
    return {"method": altered.method, **altered.parameters, "additive": altered.additive}


def notes_of(request: TableRequest, altered: AlteredTable | None) -> list[str]:
    """What checkers and readers must keep in mind."""
    if altered is not None:
        return [OTHER_RELEASES]
    return [LEFT_OUT] if request.protection.method == "coarser" else []
