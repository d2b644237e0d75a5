"""Chapter 1: the server, the keys, the first release; the nodes boot, enrol and measure."""

import shutil

from sim import flashfiles
from sim.demo.stage import Stage

TITLE = "A server is set up; nodes boot, make their keys, enrol and measure"
_START_S = 90.0
_OFFLINE = {"root.pem", "targets.pem"}


def tell(stage: Stage) -> None:
    """Start everything."""
    stage.releases.prepare("1.0.0", "1.1.0")
    _serve(stage)
    _keys(stage)
    _first_release(stage)
    _boot(stage)


def _serve(stage: Stage) -> None:
    city, story = stage.city, stage.story
    story.doing("lamppost init, ota init, token create, serve")
    city.found()
    city.serve()
    story.tell("server", f"operators http://{city.operator[0]}:{city.operator[1]}, SQLite")


def _keys(stage: Stage) -> None:
    stolen = {path.name for path in stage.server.rglob("*.pem")}
    kept = {path.name for path in (stage.city.home / "keys").iterdir()}
    stage.story.check(
        "signing_keys_outside_the_server",
        not stolen & _OFFLINE and kept >= _OFFLINE,
        "root and targets keys lie outside the server's home",
    )


def _first_release(stage: Stage) -> None:
    stage.story.doing("lamppost ota build, publish")
    built = stage.releases.publish("1.0.0")
    stage.story.tell(
        "1.0.0",
        f"{built['files']} files, {built['bytes']} bytes of .mpy, {built['blocks']} flash blocks",
    )
    shutil.copytree(stage.server / "tuf", stage.first_day)


def _boot(stage: Stage) -> None:
    city, story = stage.city, stage.story
    made = city.populate(
        stage.size, "1.0.0", lambda done, total: story.doing("flash images", done, total)
    )
    stage.people(made)
    for node in made:
        node.power_on()
    waiting = list(made)

    def enrolled() -> bool:
        for node in list(waiting):
            if "enrol: certificate" in node.console.text:
                waiting.remove(node)
                story.tell(stage.name(node.id), f"{node.id} has made its key and is enrolled")
        story.doing("booting and enrolling", len(made) - len(waiting), len(made))
        return not waiting

    city.wait(enrolled, _START_S, "every node to enrol", lambda: stage.names(*waiting))
    for node in made:
        story.doing("waiting for the first reports", made.index(node), len(made))
        node.wait_text("acknowledged", _START_S)
    states = [stage.device(node)["state"] for node in made]
    stage.figures.enrolled = states.count("active")
    story.check(
        "enrolled",
        stage.figures.enrolled == stage.size,
        f"{stage.figures.enrolled} of {stage.size} nodes are active and report",
    )
    claims = [node for node in made if "etc/claim" in flashfiles.read(node.flash.path, "vfs")]
    story.check("claims_gone", not claims, f"{len(claims)} claim tokens are left on flash")
