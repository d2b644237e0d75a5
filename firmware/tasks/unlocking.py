"""What stands behind a locked console's `unlock` (see lock): one challenge, and its one answer.

KEY: the first eight digits of the public key's x; SIGNATURE: ECDSA over P-256 with SHA-256, DER
in hex, of TEXT with ID and NONCE. To verify takes the heap that measuring has: so measuring ends,
and where the answer was wrong the node starts anew.
"""

from binascii import hexlify, unhexlify

from firmware.tasks.loading import let_go

TEXT = b"lamppost console 1\n%s\n%s\n"
_NONCE_BYTES = 16
_CHALLENGE_S = 60


class Desk:
    """A challenge, good until the uptime until_s; answer: (name, signature) that is to be judged.

    Who asks for a challenge twice, because the node is slow, is told the same.
    """

    def __init__(self, keys: dict, node, now_s: int) -> None:
        self._keys = keys
        self._subject = (node.id.encode(), hexlify(node.random(_NONCE_BYTES)))
        self.challenge = (b"challenge %s %s" % self._subject).decode()
        self.until_s = now_s + _CHALLENGE_S
        self.answer: tuple = ()

    def hear(self, line: bytes) -> str:
        """Take an answer: "" when it is to be judged, else what is to be said; none may follow."""
        words = line.split(b" ")
        for name in self._keys:
            if len(words) == 3 and self._keys[name][2:10].encode() == words[1]:
                try:
                    self.answer = (name, unhexlify(words[2]))
                    return ""
                except ValueError:
                    break
        self.until_s = 0
        return "refused"

    async def judge(self, node) -> None:
        """Judge the answer in the heap that measuring had: open the console, or start anew.

        OSError when the flash refuses that start; it then measures on.
        """
        from ota.device import slices

        from firmware.tasks import errands

        await errands.leave_off(node)
        whose, why = "", "refused"
        try:
            whose = await slices.run(self.verify())
        except Exception as error:  # no memory: whatever it is, it opens nothing
            why += ": %s" % type(error).__name__
        if whose:
            node.console.error("lock", "opened by " + whose)  # kept on flash, for whoever asks
            raise KeyboardInterrupt(whose)
        node.console.info("lock", why)
        let_go("ota.core.p256")
        errands.leave(node, "a key was refused")

    def verify(self):
        """Verify the answer, in slices: a generator of None that returns whose it is, or ""."""
        from hashlib import sha256

        from ota.core import p256

        name, signature = self.answer
        digest = sha256(TEXT % self._subject).digest()
        good = yield from p256.verify(unhexlify(self._keys[name]), digest, signature)
        return name if good else ""
