"""The city in which most journeys take place, and a node of it."""

import pytest

from sim.city import City


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    """Give a city whose server runs and has 1.0.0; it is a module's own."""
    with City(tmp_path_factory.mktemp("city") / "home") as made:
        made.open("1.0.0")
        yield made


@pytest.fixture(scope="module")
def node(city):
    """Give a node that has enrolled and reported; it is a module's own."""
    made = city.node("elm-street-4", "1.0.0")
    made.power_on()
    made.wait_text("enrol: certificate", 40)
    made.wait_text("uplink: ", 20)
    yield made
    made.close()
