"""PURE: what a controller's feedback means.

The result decides, the details explain: `closed` with `success` is confirmed, `closed` with
anything else is a failure (`none` is no success), everything before that is under way. Our nodes
put `state=WORD` and `reason=TEXT` into the details; other DDI clients send free text.
"""

import json
from dataclasses import dataclass
from typing import Any

from fleet import limits
from fleet.ddi.errors import BadFeedback
from fleet.rollouts.words import UNDER_WAY, UNHAPPY

_EXECUTIONS = (
    "closed",
    "proceeding",
    "canceled",
    "scheduled",
    "rejected",
    "resumed",
    "download",
    "downloaded",
)
_BEGUN = ("proceeding", "resumed", "downloaded")
_RESULTS = ("success", "failure", "none")


@dataclass(frozen=True)
class Feedback:
    """state: None when nothing is said of it. details: JSON text as kept."""

    execution: str
    finished: str
    state: str | None
    reason: str | None
    details: str


def read(body: bytes) -> Feedback:
    """Read a feedback body. Raises BadFeedback."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadFeedback("the feedback is not JSON") from error
    status = data.get("status") if isinstance(data, dict) else None
    if not isinstance(status, dict):
        raise BadFeedback("the feedback has no status")
    execution = status.get("execution")
    result = status.get("result")
    finished = result.get("finished") if isinstance(result, dict) else None
    if execution not in _EXECUTIONS or finished not in _RESULTS:
        raise BadFeedback("status.execution or status.result.finished is none of DDI's words")
    details = _details(status.get("details"))
    word = _value(details, "state")
    reason = _value(details, "reason")
    if reason is None and details and word is None:
        reason = details[0]
    state = _state(execution, finished, word)
    return Feedback(execution, finished, state, reason, _kept(details))


def after(said: Feedback, state: str) -> str:
    """Return the word of an update after a feedback.

    A client that has no words of ours and goes on has begun.
    """
    if said.state is None and state == "requested" and said.execution in _BEGUN:
        return "downloading"
    return said.state or state


def _details(value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list) or any(not isinstance(item, str) for item in value):
        raise BadFeedback("status.details is not a list of strings")
    return [_clean(item) for item in value[: limits.DETAILS]]


def _kept(details: list[str]) -> str:
    """Return the JSON text of as many lines as fit: in it a character may take up to twelve."""
    while len(text := json.dumps(details)) > limits.DETAILS_CHARS:
        details = details[:-1]
    return text


def _clean(text: str) -> str:
    # PostgreSQL stores no NUL, UTF-8 no surrogate, and no terminal shall obey a node.
    shown = text.encode("utf-8", "replace").decode()[: limits.DETAIL_CHARS]
    return "".join(char if char.isprintable() else "?" for char in shown)


def _value(details: list[str], name: str) -> str | None:
    for item in details:
        key, equals, value = item.partition("=")
        if equals and key.strip() == name:
            return value.strip()
    return None


def _state(execution: str, finished: str, word: str | None) -> str | None:
    if execution == "closed":
        if finished == "success":
            return "confirmed"
        return word if word in UNHAPPY else "failed"
    if execution == "rejected":
        return "failed"
    if word in UNDER_WAY:
        return word
    if execution == "download":
        return "downloading"
    return None
