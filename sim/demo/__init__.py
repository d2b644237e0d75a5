"""`make demo`: a small city tells its story, a module a chapter, everything counted.

Nothing here reaches into the firmware: what is done is what operators, release managers, thieves
and the weather do, nodes are their flash images, and what is checked is what the server, the
flashes, the network and the lamp circuits show.
"""
