"""Has slot and app partition meet: a slot on trial brings its MicroPython, and goes with it.

Lies in `vfs` (as /lib/partition.mpy) beside startup, which loads it where there are two apps
(ota/decisions/0014). `aim` and `met` are rules on the boot record; `bootrecord` is the module.
"""

AIMS_MAX = 3  # so often a confirmed slot asks for its app; then it runs on another


def settle(bootrecord, record: dict, cause: str) -> dict:  # noqa: ANN001
    """Have a sound slot run on the app partition that it names: starts anew where it must.

    Returns the record that results, the same when the slot is to run here and now.
    """
    import machine
    import startup  # pyright: ignore[reportMissingImports] - in /lib
    from esp32 import Partition

    name = startup.read("/data/%s/app" % bootrecord.running(record)) or b""
    wanted = "".join(map(chr, name))
    found = Partition.find(Partition.TYPE_APP, label=wanted) if wanted else None
    here = Partition(Partition.RUNNING)  # pyright: ignore[reportArgumentType] - a number, too
    if not found or found[0].info() == here.info():
        try:
            if record["state"] == "steady":  # else the bootloader gives it this one start
                Partition.mark_app_valid_cancel_rollback()
        except OSError as error:
            startup.say("app: %s" % error)  # the slot starts all the same
        return met(record)
    aimed = aim(bootrecord, record, cause)
    if aimed is record or not aimed["pending"]:
        return aimed
    try:
        found[0].set_boot()
    except OSError as error:
        startup.say("%s: %s" % (wanted, error))
        return record if record["state"] == "steady" else bootrecord.fail(record, "no app")
    startup.keep(bootrecord, aimed)
    startup.say("its MicroPython is in " + wanted)
    machine.reset()
    return record


def aim(bootrecord, record: dict, cause: str) -> dict:  # noqa: ANN001
    """Count a start of the app partition that the slot to run needs, where another one runs.

    `cause`: as for `bootrecord.decide`, which comes first. The answer is to be on flash before
    the start. The bootloader gives a new app one start: a trial that lost the power is "staged"
    again, without blame; one whose app was started and did not get as far as the boot code has
    failed. When the record comes back as it was, the confirmed slot does with the app that runs.
    """
    aims = record["pending"] + 1
    if record["state"] == "trying":
        if aims > bootrecord.BOOTS_MAX or (aims > 1 and cause in ("hard", "watchdog")):
            return bootrecord.fail(record, "its MicroPython does not start")
    elif aims > AIMS_MAX:
        return record
    record = bootrecord.planned(record)
    record["pending"] = aims
    if record["state"] == "trying":
        record["state"] = "staged"
    return record


def met(record: dict) -> dict:
    """Forget the starts asked for: the app partition that runs is the slot's. May be the same."""
    if not record["pending"]:
        return record
    record = dict(record)
    record["pending"] = 0
    return record
