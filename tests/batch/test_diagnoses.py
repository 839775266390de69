"""Diagnoses of many runs: one that cannot be read is named, and the others are none the worse."""

from many_runs import write_run

from textgan_lab.batch import diagnoses
from textgan_lab.telemetry import Telemetry

ROWS = [{"step": t, "d_loss": 1.0} for t in range(5)]


def test_a_record_that_is_json_and_no_row_costs_its_own_line_only(tmp_path, monkeypatch):
    folders = [write_run(tmp_path, {"SEED": seed}, rows=ROWS) for seed in range(4)]
    (folders[0] / "telemetry.jsonl").write_text("5\n")
    (folders[1] / "telemetry.jsonl").write_text('{"step": 0}\n')
    load = Telemetry.load

    def refused(folder):
        if folder == folders[2]:
            raise PermissionError(13, "Permission denied", str(folder / "telemetry.jsonl"))
        return load(folder)

    monkeypatch.setattr(Telemetry, "load", refused)
    made = list(diagnoses.lines(folders))
    said = [line.verdict for line in made]
    where = f"unreadable: {folders[0]}: telemetry.jsonl, line 1"
    assert said[0] == f"{where}: expected an object, got 5"
    assert "line 1: phase: expected a name" in said[1]
    assert said[2].startswith("unreadable: [Errno 13] Permission denied")
    assert "unreadable" not in said[3]
    assert diagnoses.summary(made, 0).endswith("unreadable 3")
