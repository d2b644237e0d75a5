"""What the firmware asks of its platform: one interface, behind it `esp32` and `unix`.

Each port is a module with these names; only firmware/main.py imports one. All errors of the
platform leave a port as OSError, except where said.

Clock(ticks_ms, rtc_s, set_rtc)
    now() -> int            unix seconds, the best lower bound there is
    synced -> bool          whether a time server has said so since the start
    source -> str           "rtc", "seen", "built", "sntp" or "date"
    at_least(unix_s, source, binding=True)  raise the lower bound while not synced; `set` takes
                            nothing below a binding one
    set(unix_s, source)     take a time server's word; refused (False) below the lower bound
    turn(unix_s)            have TLS judge certificates by this time, at every other call by now()
    uptime_ms(), uptime_s() since the start; never wrap, never jump
Storage(root="")            files by absolute path
    read(path, limit) -> bytes | None   None: no such file; ValueError: longer than `limit` bytes
    write(path, data)       atomic: under a new name, synced, renamed over
    append(path, data)      synced
    open(path, mode="rb")   for reading or writing in pieces; the caller closes it
    remove(path), rename(old, new), make_folder(path): no error when there is nothing to do;
                            a file in a folder's place is set aside
    list(path) -> sorted names of files, [] without the folder
    exists(path) -> bool; size(path) -> int
    free_blocks(path="/data") -> int    4 KiB blocks
Network()
    start()                 radio on; its buffers are taken and random numbers are good from here
    async up(config, timeout_s=20) -> bool   joins config["wifi"] unless joined
    is_up -> bool, mac -> 6 bytes, rssi -> dBm or None
    async resolve(host) -> address text; last good one when the name server is silent
    async udp(address, port, data, timeout_ms) -> the peer's answer; OSError when there is none
Watchdog(timeout_ms)        feed(), relax() for the cable: ten minutes
Reset()
    cause() -> "power_on", "hard", "watchdog", "soft" or "deep_sleep"; reset() never returns
Memory()
    claim(tx, rx, more) -> bytes of heap gained: bounds the heap's growth, once, after
                            Network.start; the pins of a bus that is not yet in use; more: bytes
    buffer                  bytearray for packs of readings, None until the claim
    figures() -> dict: heap_free, idf_free, idf_largest (bytes; the last two absent without IDF)
    note() -> figures, after a collection; `lowest` keeps the least of each since it was cleared
random(n) -> n bytes fit for keys
"""
