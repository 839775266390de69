import numpy as np
import pytest

from textgan_lab.diagnostics.signals import NotApplicable, Signals, histograms
from textgan_lab.telemetry import Telemetry


def at_the_end(telemetry):
    signals = Signals(telemetry)
    while signals.advance():
        pass
    return signals


def test_a_window_is_the_newest_half_of_play_but_four_moments_and_at_most_twenty(record):
    by_step = {"d_accuracy": lambda t: t}
    for steps, first in ((100, 0), (200, 100), (400, 200), (1000, 500), (1500, 1000)):
        recent = at_the_end(record(steps=steps, **by_step)).recent("d_accuracy")
        assert (recent[0], recent[-1]) == (first, steps - 1)
    memory = at_the_end(record(steps=400, d_memory=lambda t: t)).measured("d_memory")
    assert memory.tolist() == [224, 249, 274, 299, 324, 349, 374, 399]


def test_fewer_than_four_moments_are_no_window(record):
    signals = at_the_end(record(steps=75))
    with pytest.raises(NotApplicable, match="play has 3 moments so far; 4 are needed"):
        signals.recent("d_accuracy")
    with pytest.raises(NotApplicable, match="d_memory was measured 3 times so far; 4 are needed"):
        signals.measured("d_memory")
    with pytest.raises(NotApplicable, match="samples were counted 3 times so far; 4 are needed"):
        signals.turnover()


def test_what_is_recorded_at_every_step_is_seen_by_its_median_since_the_last_look(record):
    values = [3.0, 1.0, 2.0, 9.0, 7.0, 8.0] * 8
    telemetry = record(steps=48, every=3, d_loss=lambda t: values[t], held_out_nll=lambda t: t)
    loss, quality = at_the_end(telemetry).series("d_loss", "held_out_nll")
    assert loss.tolist() == [2.0, 8.0] * 8 and quality.tolist() == list(range(2, 48, 3))


def test_a_long_history_is_thinned_out_evenly_to_the_newest_row(record):
    history = at_the_end(record(steps=5000, d_accuracy=lambda t: t)).history("d_accuracy")
    assert len(history) <= 2048 and history[-1] == 4999 and set(np.diff(history)) == {3}


def test_the_warm_up_is_no_play_and_what_a_law_tells_is_not_taken_in(record, truth):
    telemetry = record(steps=400, **truth)
    for row in telemetry.rows[:200]:
        row["phase"] = "mle"
    signals = at_the_end(telemetry)
    assert signals.play == 200
    for name in truth:
        assert not signals.has(name)
        with pytest.raises(NotApplicable):
            signals.recent(name)


def test_a_floor_that_was_not_taken_is_named(record):
    with pytest.raises(NotApplicable, match="lacks what real data score on distinct_9"):
        at_the_end(record()).floor("distinct_9")


def test_histograms_are_shares_with_their_steps_and_names(record, truth):
    telemetry = record(steps=100, cells=lambda t: [t, 100, 0, 0, 0, 0, 0, 100], **truth)
    steps, shares, names = histograms(telemetry)
    assert steps.tolist() == [24, 49, 74, 99] and names[:2] == ["cell 0", "cell 1"]
    assert shares[0].tolist() == pytest.approx([24 / 224, 100 / 224, 0, 0, 0, 0, 0, 100 / 224])
    steps, shares, names = histograms(telemetry, "modes")
    assert steps.tolist() == [24, 49, 74, 99] and names == ["kitchen", "none"]
    assert shares.tolist() == [[0.0, 1.0]] * 4
    with pytest.raises(ValueError, match="'scenes': expected 'cells' or 'modes'"):
        histograms(telemetry, "scenes")
    for of in ("cells", "modes"):
        with pytest.raises(KeyError, match="this record has no"):
            histograms(Telemetry(), of)
