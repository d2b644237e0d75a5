"""`python -m fleet` is `lamppost`."""

from fleet.command import main

main()
