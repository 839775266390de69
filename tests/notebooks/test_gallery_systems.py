"""The gallery shows any system by its name: on the language it was made for, and on text files."""

from pathlib import Path

import pytest

import textgan_lab as tl
from textgan_lab.batch import find, run_notebook

COCO = Path(__file__).parents[3] / "shared" / "data" / "coco_captions.txt"
SPECS = {name: tl.SYSTEMS.make(name).spec for name in tl.SYSTEMS}
TEXTUAL = [name for name, spec in SPECS.items() if spec.data != "waves"]

pytestmark = [pytest.mark.slow, pytest.mark.notebook]


@pytest.fixture
def text_file(request, tmp_path):
    """Captions as they are or, for a system that replies, parted by a tab after three words."""
    if not COCO.exists():
        pytest.skip(f"no captions at {COCO}")
    name = request.node.callspec.params["name"]
    if not getattr(tl.load_corpus(SPECS[name].data), "given", 0):
        return COCO
    pairs = tmp_path / "beginnings.tsv"
    words = (line.split() for line in COCO.read_text(encoding="utf-8").splitlines())
    lines = (f"{' '.join(w[:3])}\t{' '.join(w[3:])}\n" for w in words if len(w) > 3)
    pairs.write_text("".join(lines), encoding="utf-8")
    return pairs


@pytest.mark.parametrize("name", SPECS)
def test_on_its_own_language(name, tmp_path):
    assert run_notebook(find("07_systems"), {"SYSTEM": name}, root=tmp_path).claims


@pytest.mark.parametrize("name", TEXTUAL)
def test_on_a_text_file(name, text_file, tmp_path):
    given = {"SYSTEM": name, "DATA": str(text_file)}
    assert run_notebook(find("07_systems"), given, root=tmp_path).claims
