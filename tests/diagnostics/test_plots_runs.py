import pytest
from matplotlib.colors import same_color
from matplotlib.figure import Figure

from textgan_lab.diagnostics import colours, diagnose
from textgan_lab.diagnostics.plots import runs
from textgan_lab.knobs import Turn
from textgan_lab.telemetry import Telemetry

PLOTS = ["losses", "accuracy", "gradients", "likelihood", "divergence", "modes"]
SICK = {"d_memory": 1.5, "g_grad_cosine": 0.0}


def axes():
    return Figure().subplots()


def verticals(ax, colour):
    return [
        line.get_xdata()[0]
        for line in ax.get_lines()
        if same_color(line.get_color(), colour) and len(set(line.get_xdata())) == 1
    ]


@pytest.mark.parametrize("name", PLOTS)
def test_findings_are_flagged_at_their_first_step_in_the_colour_of_their_severity(
    record, truth, name
):
    telemetry = record(**SICK, **truth)
    report = diagnose(telemetry)
    assert report.codes == ["discriminator-overfits", "noisy-gradient"]
    plot = getattr(runs, name)
    ax = plot(telemetry, axes(), report=report)
    for finding in report.findings:
        assert finding.since in verticals(ax, colours.FINDING[finding.severity])
    flags = {text.get_text(): text for text in ax.texts}
    assert [*flags] == report.codes
    heights = [flag.xyann[1] for flag in flags.values()]
    assert len(set(heights)) == 2  # one below the other
    for finding in report.findings:
        box = flags[finding.code].get_bbox_patch()
        assert same_color(box.get_facecolor(), colours.FINDING[finding.severity])
    bare = plot(telemetry, axes())
    assert not bare.texts and not verticals(bare, colours.FINDING["issue"])


@pytest.mark.parametrize("name", PLOTS)
def test_axes_are_labelled_and_turns_are_marked(record, truth, name):
    telemetry = record(**truth)
    telemetry.turns += [Turn(100, "d_lr", 1e-3, 1e-2), Turn(200, "d_lr", 1e-2, 1e-3, "schedule")]
    ax = getattr(runs, name)(telemetry, axes())
    assert ax.get_xlabel() == "step" and ax.get_ylabel() and ax.get_title()
    assert verticals(ax, colours.TURN) == [100]


def test_accuracy_stands_beside_the_exact_truth_or_else_beside_counting(record, truth):
    with_law, without = record(**truth), record()

    def labels(telemetry):
        return [text.get_text() for text in runs.accuracy(telemetry, axes()).get_legend().texts]

    assert labels(with_law) == ["on its batch", "Bayes (exact)"]
    assert labels(without) == ["on its batch", "counting in cells (Bayes is no lower)"]
    ax = runs.accuracy(without, axes())
    (line,) = [x for x in ax.get_lines() if x.get_label().startswith("counting")]
    assert line.get_xdata().tolist() == list(range(24, 400, 25))
    assert set(line.get_ydata()) == {0.55}


def test_the_balance_of_d_is_drawn_where_the_loss_has_one(record):
    for loss, drawn in (("saturating", True), ("wasserstein", False)):
        ax = runs.losses(record(loss=loss), axes())
        assert any("2 ln 2" in line.get_label() for line in ax.get_lines()) == drawn


def test_modes_of_a_run_without_any_are_refused(record):
    with pytest.raises(KeyError, match="this run knows no modes"):
        runs.modes(record(), axes())


def test_an_empty_record_can_be_drawn():
    for name in ("losses", "accuracy", "gradients", "likelihood", "divergence"):
        assert getattr(runs, name)(Telemetry(), axes(), report=diagnose(Telemetry())).get_xlabel()
