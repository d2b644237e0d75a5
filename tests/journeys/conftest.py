"""The city in which most journeys take place."""

import pytest

from sim.city import City


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    """Give a city whose server runs and has 1.0.0; it is a module's own."""
    with City(tmp_path_factory.mktemp("city") / "home") as made:
        made.open("1.0.0")
        yield made
