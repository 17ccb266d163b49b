"""What tests of the review share: acting on a request, and bringing one into a state."""

from __future__ import annotations

from typing import Any

from output_control import review
from output_control.review.states import Action, State
from tests.output_control.desk import (
    KEYS,
    Office,
)

WHY = "The population is not the one of the question."


def do(office: Office, action: Action, request: str, person: str) -> State:
    """One command of the review, by ``person`` with their own key."""
    who: dict[str, Any] = {"key": KEYS[person], "desk": office.desk, "now": office.later()}
    if action is Action.SUBMIT:
        return review.submit(request, author=person, **who)
    if action is Action.APPROVE:
        return review.approve(request, person=person, **who)
    objections = {
        Action.REQUEST_CHANGES: review.request_changes,
        Action.REJECT: review.reject,
        Action.WITHDRAW: review.withdraw,
    }
    return objections[action](request, WHY, person=person, **who)
