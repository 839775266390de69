"""The README's tables are those of the catalogues, and what it links to is there."""

import re
from pathlib import Path

import textgan_lab as tl

CHECKOUT = Path(__file__).parents[1]
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")


def test_the_table_of_corpora_is_the_catalogue():
    rows = [f"| `{name}` | {tl.CORPORA.summary(name)} |" for name in tl.CORPORA]
    table = "\n".join(["| name | what it is |", "|---|---|", *rows])
    assert table in README, f"README.md should hold:\n{table}"


def test_every_notebook_has_its_row():
    listed = set(re.findall(r"^\| \[\w+\]\(notebooks/(\w+)\.ipynb\)", README, re.MULTILINE))
    assert listed == {path.stem for path in (CHECKOUT / "notebooks").glob("*.ipynb")}


def test_every_local_link_leads_somewhere():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (CHECKOUT / link).exists()] == []
