"""`lamppost node`: what a technician types on the laptop beside the node."""

import click

from ota.field import (
    deploycli,
    diagnosecli,
    flashcli,
    imagecli,
    listcli,
    logscli,
    provisioncli,
    shellcli,
    wipecli,
)


@click.group()
def node() -> None:
    """Make a node, work on it over its cable, and erase it in the end.

    \b
    In order, for a board on the cable:
      lamppost node image … -o flash.bin        the whole flash as one file
      lamppost node list --ask                  which port the board is at
      lamppost node flash --image flash.bin …   put it on; it starts and waits
      lamppost node provision …                 place, network, fleet; it enrols

    \b
    Later:
      lamppost node provision …                 a new place, network, server, claim
      lamppost node deploy --bundle …           a release; the node checks it
      lamppost node shell …                     its prompt
      lamppost node unlock …                    the same for mpremote, where the console is locked
      lamppost node wipe …                      erase it before it is thrown away
      lamppost node logs|diagnose|selftest …    what it says and is; does it work

    What stands at the port need not be a sound node: where none answers, or one that starts over
    and over, a command ends within two minutes, in one line that says what to do next.
    """  # noqa: D301 - \b keeps click from joining lines


for _command in (
    imagecli.image,
    listcli.list_,
    flashcli.flash,
    provisioncli.provision,
    deploycli.deploy,
    shellcli.shell,
    shellcli.unlock,
    logscli.logs,
    diagnosecli.diagnose,
    diagnosecli.selftest,
    wipecli.wipe,
):
    node.add_command(_command)
