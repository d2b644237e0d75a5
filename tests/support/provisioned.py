"""A node fresh from the workshop: a release and whose it is, no configuration, no claim."""

from pathlib import Path

from ota.build import bundle
from ota.field import image
from sim.node import Node
from sim.wiring import wire


def blank(city, name, mac, config):
    """Return such a node of a city that serves and has made one release, wired for a config."""
    (made,) = city.bundles.values()
    root = (city.home / "keys" / "root.json").read_bytes()
    vfs, data = image.factory_files(bundle.load(Path(made["bundle"])), b"", b"", root, b"")
    for each in ("etc/config.json", "etc/claim", "etc/ca.der"):
        del vfs[each]
    path = city.home.parent / f"{name}.bin"
    path.write_bytes(image.flash_image(None, vfs, data))
    wiring = wire(config, city.clock, city.world.at(city.place), frame_s=city.pace.frame_s)
    log = city.home.parent / f"{name}.log"
    node = Node(path, mac=mac, wiring=wiring, clock=city.clock, log=log, loop=city.loop)
    city.nodes[name] = node
    return node
