"""README: its tables are the catalogues', its figures those measured, its links lead somewhere."""

import ast
import json
import re
from pathlib import Path

import pytest

import textgan_lab as tl
from textgan_lab.training import gallery

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


def rows(text, head):
    """Return the cells of the rows of the Markdown table in ``text`` whose head starts so."""
    table = text[text.index(f"| {head} |") :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_how_often_diagnoses_are_right_is_what_was_measured():
    page = (CHECKOUT / "tests/benchmarks/results/detectors.md").read_text(encoding="utf-8")
    introduction, left_out, on_text, *_ = page.split("\n## ")
    runs, settings = re.search(r"(\d+) runs of (\d+) settings", introduction).groups()
    others = re.search(r"\d+ runs of (\d+) settings", left_out)[1]
    f1 = r"\*\*Macro-F1 ([\d.]+)\*\* \(with initial thresholds ([\d.]+)\)"
    fitted, initial = re.search(f1, left_out).groups()
    codes = [(code, int(ill.split("/")[1])) for code, ill, *_ in rows(left_out, "code")]
    behind = [count for code, count in codes if code != "healthy"]
    named = sum(code != "healthy" and not code.endswith("*") for code, _ in codes)
    table = [
        "| at the end of a run: is anything wrong? | precision | recall "
        "| false alarms on healthy runs |",
        "|---|---|---|---|",
    ]
    for rule, *shares in rows(left_out, "rule"):
        if rule != "always healthy":
            name = re.sub(r" \.(?=\d)", " 0.", rule)  # ".4" there, "0.4" here
            name = name if rule == "diagnosis" else f"rule of thumb: {name}"
            table.append(f"| {name} | {' | '.join(share.split(' ')[0] for share in shares)} |")
    assert len(table) == 5
    said = [
        f"measured on {runs} runs of {settings} settings",
        f"set on {int(settings) - int(others)} of the settings; these are the other {others} (",
        f"macro-F1 {fitted} over {named} illnesses and health; on text, with thresholds set on "
        f"points alone, {re.search(f1, on_text)[1]}.",
        f"before this tightening (macro-F1 {initial} on the same {others}).",
        f"for more than the runs: {min(behind)} to {max(behind)} for an illness.",
    ]
    flowing = " ".join(README.split())
    assert [sentence for sentence in said if sentence not in flowing] == []
    assert "\n".join(table) in README, "README.md should hold:\n" + "\n".join(table)


def test_systems_are_listed_as_composed_and_as_measured():
    """README shows columns of the page of results, whose parts are those that systems have now."""
    page = (CHECKOUT / "tests/benchmarks/results/systems.md").read_text(encoding="utf-8")
    columns = re.search(r"^\| (system .*) \|$", page, re.MULTILINE)[1].split(" | ")
    measured = [dict(zip(columns, row, strict=True)) for row in rows(page, " | ".join(columns))]
    catalogue = gallery.catalogue().fillna("–")
    for row in measured:
        now = catalogue.loc[row["system"].strip("`")]
        parts = {name: row[name].strip("`") for name in now.index if name in row}
        assert len(parts) == 8 and parts == {name: now[name] for name in parts}, row["system"]
    assert [row["system"].strip("`") for row in measured] == list(tl.SYSTEMS)
    brief = re.search(r"^\| (system .*) \|$", README, re.MULTILINE)[1].split(" | ")
    shown = [dict(zip(brief, row, strict=True)) for row in rows(README, " | ".join(brief))]
    assert shown == [{name: row[name] for name in brief} for row in measured]


def test_every_notebook_has_its_row():
    listed = set(re.findall(r"^\| \[\w+\]\(notebooks/(\w+)\.ipynb\)", README, re.MULTILINE))
    assert listed == {path.stem for path in (CHECKOUT / "notebooks").glob("*.ipynb")}


def test_every_local_link_leads_somewhere():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (CHECKOUT / link).exists()] == []


def block(language, first):
    """Return the code block of README in ``language`` whose text begins with ``first``."""
    found = re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)
    (text,) = [text for text in found if text.startswith(first)]
    return text


def test_the_grid_file_is_one(tmp_path):
    path = tmp_path / "where-it-breaks.yaml"
    path.write_text(block("yaml", "# where-it-breaks.yaml"))
    grid = tl.read_grid(path)
    # 3 rates x (2 losses without a penalty, and one with) x 5 seeds; 3 x 5 break the constraint
    assert (len(grid), grid.refused) == (45, 15)
    assert grid.varied == ("LOSS", "PENALTY", "D_LR", "SEED")


def test_the_slurm_example_asks_slurm_for_a_gpu_and_tells_dask_of_it(tmp_path, monkeypatch):
    from dask_jobqueue import SLURMCluster

    monkeypatch.chdir(tmp_path)
    tree = ast.parse(block("python", "import dask_jobqueue"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    (call,) = [c for c in calls if getattr(c.func, "attr", "") == "SLURMCluster"]
    options = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    with SLURMCluster(**options, scheduler_options={"dashboard_address": ":0"}) as cluster:
        script = cluster.job_script()
    assert "#SBATCH --gres=gpu:1" in script and "--resources GPU=1" in script


def test_the_query_over_the_folders_gives_a_row_a_setting(tmp_path, monkeypatch):
    duckdb = pytest.importorskip("duckdb", reason="comes with the extra `records`")
    made = {"notebook": "09_one_run.ipynb", "parameters": {"LOSS": "hinge", "D_LR": 1e-3}}
    for n, distance in enumerate([0.25, 0.75, float("nan")]):
        folder = tmp_path / "runs" / f"{n:016x}"
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps({**made, "result": {"reverse_kl": distance}}))
    monkeypatch.chdir(tmp_path)
    ((loss, rate, median),) = duckdb.sql(block("sql", "SELECT")).fetchall()
    assert (loss, rate) == ("hinge", 1e-3) and median == 0.75  # NaN is the largest of the three


def test_the_oracle_experiment_is_told_as_it_was_measured():
    page = (CHECKOUT / "tests/benchmarks/results/oracle.md").read_text(encoding="utf-8")
    published = page[page.index("## The published weights") :]
    head = next(line for line in published.splitlines() if line.startswith("| stage"))
    nll = {}
    for stage, oracle_nll, *_ in rows(published, head.strip("| ")):
        nll[stage] = [float(number) for number in re.findall(r"[\d.]+", oracle_nll)]
    gained, lost = (
        [abs(float(n)) for n in re.findall(r"[+-][\d.]+", part)]
        for part in published.rpartition("SeqGAN below its own likelihood:")[2].split("in oracle")
    )
    told = " ".join(README.split())

    def said(middle, low, high):
        return f"{middle:.2f} ({low:.2f} to {high:.2f}"

    assert f"{said(*nll['likelihood'])}, three seeds; nats a token)" in told
    assert f"below its own likelihood by {said(*gained)})" in told
    assert f"held-out NLL, gets worse by {said(lost[0], *sorted(lost[1:]))})" in told
    for stage, words in [
        ("with a D that never learns, no baseline", "further down ({:.2f})"),
        ("with a baseline: 2 D - 1 less its running mean", "takes the gain away ({:.2f})"),
        ("likelihood at temperature 0.9", "without any GAN ({:.2f})"),
    ]:
        assert words.format(nll[stage][0]) in told


def test_the_cost_of_a_sweep_is_told_as_it_was_measured():
    page = (CHECKOUT / "tests/benchmarks/results/sweep.md").read_text(encoding="utf-8")
    runs, each = re.search(r"\| (\d+), ([\d.]+) CPU s each", page).groups()
    share, seconds = re.search(r"kernels' \| (\d+%).*\| ([\d.]+ s) \(median", page, re.S).groups()
    told = " ".join(README.split())
    assert f"another {share} of the CPU time of its notebooks ({runs} runs of {each} CPU s" in told
    assert f"and {seconds} to pass over 1,000 runs" in told
