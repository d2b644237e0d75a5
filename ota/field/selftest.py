"""The firmware's own self-test, run on the node at the cable: a verdict for each part."""

from dataclasses import asdict, dataclass, field
from typing import Any

from ota.build.errors import FieldError
from ota.field import asking
from ota.field.cable import Cable


class SelfTestError(FieldError):
    """The self-test could not be run; the node is as it was."""


@dataclass(frozen=True)
class Verdict:
    """One part: an empty `why` is a pass; `values` is what it measured.

    Parts are those of the configuration, and "config" and "firmware": the self-test as a whole.
    """

    part: str
    why: str
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether the part does what it should."""
        return not self.why

    def told(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {**asdict(self), "passed": self.passed}


@dataclass
class Result:
    """The release that was tested, the verdicts, and what the node said beside them."""

    version: str | None = None
    verdicts: list[Verdict] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether every part has passed."""
        return bool(self.verdicts) and all(each.passed for each in self.verdicts)


def selftest(cable: Cable, *, restart: bool = True) -> Result:
    """Run the self-test of the node's slot; takes up to a minute when parts are silent.

    SelfTestError, CableError when it could not be run.
    """
    cable.catch(asking.CATCH_S)
    result = Result()
    faults: list[str] = []
    for name, value in asking.answers(cable, "selftest", f"main({restart})", fresh=True):
        if name == "verdict" and isinstance(value, dict):
            values = value.get("values")
            result.verdicts.append(
                Verdict(
                    str(value.get("part")),
                    str(value.get("why") or ""),
                    values if isinstance(values, dict) else {},
                )
            )
        elif name == "release":
            result.version = value if isinstance(value, str) else None
        elif name == "fault":
            faults.append(str(value))
        elif name == "said":
            result.said.append(str(value))
    if faults or not result.verdicts:
        raise SelfTestError(
            f"{cable.port}: the self-test did not run: {' / '.join(faults) or 'no verdict'};"
            " `lamppost node diagnose` tells what is there"
        )
    return result
