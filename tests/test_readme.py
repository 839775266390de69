"""The README's tables are those of the catalogues, and what it links to is there."""

import re
from pathlib import Path

import pytest

import textgan_lab as tl

CHECKOUT = Path(__file__).parents[1]
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "head, catalogue",
    [
        ("name | what it is", tl.CORPORA),
        ("finding | what it says", tl.DETECTORS),
        ("scenario | what happens", tl.SCENARIOS),
    ],
)
def test_a_table_of_parts_is_their_catalogue(head, catalogue):
    rows = [f"| `{name}` | {catalogue.summary(name)} |" for name in catalogue]
    table = "\n".join([f"| {head} |", "|---|---|", *rows])
    assert table in README, f"README.md should hold:\n{table}"


def test_every_notebook_has_its_row():
    listed = set(re.findall(r"^\| \[\w+\]\(notebooks/(\w+)\.ipynb\)", README, re.MULTILINE))
    assert listed == {path.stem for path in (CHECKOUT / "notebooks").glob("*.ipynb")}


def test_every_local_link_leads_somewhere():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (CHECKOUT / link).exists()] == []
