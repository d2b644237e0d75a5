"""Chapter 6: the rest of the city takes 1.4.0 while power and networks fail."""

from sim.demo import following, network
from sim.demo.cast import SLOW
from sim.demo.network import Outage
from sim.demo.power import Cut, Cuts
from sim.demo.stage import Stage

TITLE = "Power and networks fail while the rest of the city takes 1.4.0"
VERSION = "1.4.0"
_ALL = ({"percent": 100},)
_CONFIRMED = "1.1.0"


def tell(stage: Stage) -> None:
    """Do everything at once."""
    cast = stage.cast
    changed = stage.releases.changed(_CONFIRMED, VERSION)
    cuts = Cuts(stage, VERSION, changed)
    download = stage.meanwhile(cuts.in_download, cast.cut_in_download)
    swap = stage.meanwhile(cuts.in_swap, cast.cut_in_swap)
    since = network.spoil(stage)
    resent = stage.meanwhile(network.lost_answer, stage)
    outages = stage.meanwhile(network.restore_cut_off, stage, since)
    rollout = following.start(stage, VERSION, cast.night, _ALL)
    shown = following.follow(stage, rollout)
    stage.story.check(
        "1.4.0_confirmed_on_a_bad_day",
        following.count(shown, "confirmed") == len(cast.night),
        f"{following.count(shown, 'confirmed')} of {len(cast.night)} nodes confirmed",
    )
    _finished(stage, cuts, download.result(), swap.result())
    stage.figures.windows_resent = len(resent.result())
    _late(stage, outages.result())
    stage.city.districts[SLOW].restore()
    stage.story.tell(SLOW, "has a good network again")


def _finished(stage: Stage, cuts: Cuts, download: Cut, swap: Cut) -> None:
    cast, story = stage.cast, stage.story
    again = cuts.fetched_after(cast.cut_in_download, download)
    story.check(
        "cut_in_download_fetches_no_file_twice",
        download.state == "steady" and again == len(cuts.changed) - len(download.whole),
        f"{len(download.whole)} files before the cut, {again} after, {len(cuts.changed)} in all",
    )
    again = cuts.fetched_after(cast.cut_in_swap, swap)
    story.check(
        "cut_in_swap_fetches_nothing_again",
        swap.state == "staged" and again == 0,
        f"the boot record was {swap.state}; {again} files were fetched afterwards",
    )


def _late(stage: Stage, outages: list[Outage]) -> None:
    held = min(len(outage.waiting) for outage in outages)
    ordered = [network.arrived_in_order(stage, outage) for outage in outages]
    stage.story.check(
        "windows_wait_on_flash_and_come_in_order",
        held > 0 and all(ordered),
        f"{sum(len(outage.waiting) for outage in outages)} windows came late, in order of time",
    )
    stage.story.check(
        "lost_answer_is_harmless",
        stage.figures.windows_resent > 0,
        f"{stage.figures.windows_resent} windows were sent again, and are stored once (below)",
    )
