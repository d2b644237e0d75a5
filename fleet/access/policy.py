"""Decisions by the Cedar policies in `policies/`; this module only asks them."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cedarpy

from fleet.access.scope import EVERYWHERE, Scope

_FOLDER = Path(__file__).parent / "policies"
# A role is what it is a member of, too: an admin may all that an operator may.
_PARENTS = {
    "admin": ("admin", "operator", "reader"),
    "operator": ("operator", "reader"),
    "auditor": ("auditor", "reader"),
}
FLEET = {"type": "Fleet", "id": "fleet"}


@dataclass(frozen=True)
class Operator:
    """Who a token speaks for. sites: None means everywhere."""

    id: str
    name: str
    role: str
    sites: frozenset[str] | None

    @property
    def actor(self) -> str:
        """The audit's word for this operator."""
        return f"operator:{self.id}"


@cache
def _policies() -> cedarpy.PolicySet:
    return cedarpy.PolicySet.from_str((_FOLDER / "lamppost.cedar").read_text())


@cache
def _schema() -> cedarpy.Schema:
    return cedarpy.Schema.from_str((_FOLDER / "lamppost.cedarschema").read_text())


def _site(name: str) -> dict[str, str]:
    return {"type": "Site", "id": name}


def _entities(operator: Operator) -> list[dict[str, Any]]:
    sites = sorted(operator.sites or ())
    return [
        {
            "uid": {"type": "Operator", "id": operator.id},
            "attrs": {
                "everywhere": operator.sites is None,
                "sites": [{"__entity": _site(name)} for name in sites],
            },
            "parents": [{"type": "Role", "id": role} for role in _PARENTS[operator.role]],
        },
    ]


def allows(operator: Operator, action: str, site: str | None) -> bool:
    """Say whether *operator* may do *action* at *site* (None: to the fleet as a whole)."""
    request = {
        "principal": {"type": "Operator", "id": operator.id},
        "action": {"type": "Action", "id": action},
        "resource": FLEET if site is None else _site(site),
        "context": {},
    }
    answer = cedarpy.is_authorized(request, _policies(), _entities(operator), _schema())
    return bool(answer.allowed)


def scope(operator: Operator, action: str) -> Scope | None:
    """Return where *operator* may do *action*; None when nowhere."""
    if operator.sites is None:
        return EVERYWHERE if allows(operator, action, None) else None
    sites = frozenset(site for site in operator.sites if allows(operator, action, site))
    return Scope(sites=sites) if sites else None
