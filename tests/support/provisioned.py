"""A node fresh from the workshop: a release and whose it is, no configuration, no claim."""

from sim.node import Node
from sim.wiring import wire


def blank(city, name, mac, config):
    """Return such a node of a city that serves and has made one release, wired for a config."""
    (made,) = city.bundles.values()
    root = city.home / "keys" / "root.json"
    path = city.home.parent / f"{name}.bin"
    city.lamppost("node", "image", "--bundle", made["bundle"], "--root", root, "-o", path)
    wiring = wire(config, city.clock, city.world.at(city.place), frame_s=city.pace.frame_s)
    log = city.home.parent / f"{name}.log"
    node = Node(path, mac=mac, wiring=wiring, clock=city.clock, log=log, loop=city.loop)
    city.nodes[name] = node
    return node
