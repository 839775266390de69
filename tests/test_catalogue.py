"""The catalogue of parts, and what every shipped catalogue promises."""

import pytest

from textgan_lab.catalogue import Catalogue, UnknownName
from textgan_lab.models import DISCRIMINATORS, GENERATORS
from textgan_lab.objectives import ESTIMATORS, LOSSES, REMEDIES
from textgan_lab.training import OPTIMISERS, PROBES

SHIPPED = [GENERATORS, DISCRIMINATORS, LOSSES, ESTIMATORS, REMEDIES, OPTIMISERS, PROBES]


@pytest.fixture
def cups():
    cups = Catalogue("cup")

    @cups.register("mug")
    class Mug:
        """Holds tea.

        And more words.
        """

        def __init__(self, owner, *, size=3, colour="red"):
            self.owner, self.size, self.colour = owner, size, colour

    @cups.register("glass")
    def glass():
        """Holds water."""
        return "glass"

    return cups


def test_parts_keep_the_order_of_registration_and_get_their_name(cups):
    assert list(cups) == ["mug", "glass"] and len(cups) == 2
    assert cups["mug"].name == "mug" and cups["glass"].name == "glass"
    assert "mug" in cups and "jug" not in cups


def test_make_hands_over_options_and_context(cups):
    mug = cups.make("mug", {"size": 5}, owner="ann")
    assert (mug.owner, mug.size, mug.colour) == ("ann", 5, "red")
    assert cups.make("glass") == "glass"


@pytest.mark.parametrize("name", ["jug", None, 3, ["mug"]])
def test_an_unknown_name_lists_the_known_ones(cups, name):
    with pytest.raises(UnknownName) as error:
        cups[name]
    assert str(error.value) == f"unknown cup {name!r}; known: mug, glass"
    assert isinstance(error.value, ValueError) and isinstance(error.value, KeyError)


def test_an_unknown_option_lists_the_known_ones(cups):
    with pytest.raises(UnknownName, match=r"^cup 'mug' has no option 'owner'; .*: size, colour$"):
        cups.make("mug", {"owner": "bob"})  # context is the caller's, not the user's
    with pytest.raises(UnknownName, match=r"^cup 'glass' has no option 'size'; its options: none$"):
        cups.check("glass", {"size": 1})


def test_a_name_is_given_once(cups):
    with pytest.raises(ValueError, match="cup 'mug' is registered twice"):
        cups.register("mug")
    assert len(cups) == 2


def test_the_summary_is_the_first_paragraph_and_the_repr_a_table(cups):
    assert cups.summary("mug") == "Holds tea."
    assert repr(cups) == "mug    Holds tea.\nglass  Holds water."
    assert repr(Catalogue("nothing")) == ""


@pytest.mark.parametrize("catalogue", SHIPPED, ids=lambda c: c.kind)
def test_every_shipped_part_is_named_and_says_what_it_is(catalogue):
    assert len(catalogue) > 0
    for name, part in catalogue.items():
        assert part.name == name
        summary = catalogue.summary(name)
        assert summary.endswith("."), f"{catalogue.kind} {name}: {summary!r}"
        assert part.__doc__ and part.__doc__.strip()
