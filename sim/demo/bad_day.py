"""Chapter 6: the rest of the city takes 1.4.0 while power and networks fail."""

from sim.demo import network
from sim.demo.following import ALL_AT_ONCE, count, over, start
from sim.demo.network import Outage
from sim.demo.power import Cut, Cuts
from sim.demo.silence import VERSION
from sim.demo.stage import Stage

TITLE = "Power and networks fail while the rest of the city takes 1.4.0"
_BEFORE = "1.1.0"


def tell(stage: Stage) -> None:
    """Let everything happen at once."""
    cast = stage.cast
    cuts = Cuts(stage, VERSION, stage.releases.changed(_BEFORE, VERSION))
    download = stage.meanwhile(cuts.in_download, cast.cut_in_download)
    swap = stage.meanwhile(cuts.in_swap, cast.cut_in_swap)
    spoilt = network.spoil(stage)
    resent = stage.meanwhile(network.lost_answer, stage)
    outages = stage.meanwhile(network.outages, stage, spoilt)
    shown = start(stage, VERSION, cast.night, ALL_AT_ONCE).follow(over)
    confirmed = count(shown, "confirmed")
    stage.story.check(
        "1.4.0_confirmed_on_a_bad_day",
        confirmed == len(cast.night),
        f"{confirmed} of {len(cast.night)} nodes confirmed",
    )
    _finished(stage, cuts, download.result(), swap.result())
    _late(stage, outages.result())
    stage.story.check(
        "lost_answer_is_harmless",
        resent.result() > 0,
        f"{resent.result()} windows were sent again; none counts twice (below)",
    )
    _slow(stage, spoilt)


def _finished(stage: Stage, cuts: Cuts, download: Cut, swap: Cut) -> None:
    cast, story = stage.cast, stage.story
    there, again = len(download.whole), cuts.fetched_after(cast.cut_in_download, download)
    story.check(
        "download_cut_fetches_nothing_twice",
        download.state == "steady" and there + again == len(cuts.changed),
        f"{there} files before the cut, {again} after it, {len(cuts.changed)} in all",
    )
    again = cuts.fetched_after(cast.cut_in_swap, swap)
    story.check(
        "swap_cut_fetches_nothing_again",
        swap.state == "staged" and again == 0,
        f"boot record {swap.state} at the cut, {again} files fetched after it",
    )


def _late(stage: Stage, outages: list[Outage]) -> None:
    ordered = [network.arrive_in_order(stage, outage) for outage in outages]
    windows = sum(len(outage.waiting) for outage in outages)
    stage.story.check(
        "waiting_windows_come_in_order",
        all(outage.waiting for outage in outages) and all(ordered),
        f"{windows} windows waited on flash and came late, in order of time",
    )


def _slow(stage: Stage, spoilt: network.Spoilt) -> None:
    through = network.restore_slow(stage, spoilt)
    stage.story.check(
        "slow_network_only_delays",
        through > 0,
        f"{through} windows came through meanwhile; none is lost (below)",
    )
