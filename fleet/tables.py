"""All tables of all domains, for the migrations: importing this module registers them."""

from fleet.access.models import Token
from fleet.audit.models import Event
from fleet.db import Base
from fleet.devices.models import Device
from fleet.heartbeat.models import Heartbeat, NodeEvent
from fleet.identity.models import Certificate, Claim
from fleet.releases.models import Release
from fleet.rollouts.models import Action, Report, Rollout
from fleet.telemetry.models import Observation

metadata = Base.metadata

__all__ = [
    "Action",
    "Certificate",
    "Claim",
    "Device",
    "Event",
    "Heartbeat",
    "NodeEvent",
    "Observation",
    "Release",
    "Report",
    "Rollout",
    "Token",
    "metadata",
]
