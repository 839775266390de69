"""G writes a few things only: the same ones for ever, or others as time goes on."""

from dataclasses import dataclass
from typing import ClassVar

from ..detectors import DETECTORS, Detector, limit
from .diversity import diversity


@DETECTORS.register("mode-collapse")
@dataclass(frozen=True, kw_only=True)
class ModeCollapse(Detector):
    """G writes a few things only, and always the same few.

    Reads       text: unique_ratio, distinct_2; points: cells_entropy; the floors; counts in cells
    Formula     diversity = median over the window of the smaller of unique_ratio and distinct_2,
                each over that of real data (text), of exp(entropy - that of real data) (points);
                turnover = mean JS between the histograms of successive looks, less its floor
    Rule        diversity <= diversity_max and turnover <= turnover_max
    Means       many noises are mapped to one output: D is fooled, or silent, at a few points and
                nothing in its opinion of one sample says that all samples are alike
    Try         gradient_penalty, r1, r2, d_noise, entropy
    Fails when  real data are themselves few: diversity is then measured against little
    Paper       Goodfellow et al. 2014; Salimans et al. 2016
    """

    notebook: ClassVar[str] = "03_mode_collapse"
    diversity_max: float = limit(0.5, "diversity of fakes (real data: 1)")
    turnover_max: float = limit(0.1, "change of the cells from look to look (JS, nats)")

    def scores(self, signals):
        """Return diversity and turnover."""
        return {"diversity_max": diversity(signals), "turnover_max": signals.turnover()}


@DETECTORS.register("rotating-collapse")
@dataclass(frozen=True, kw_only=True)
class RotatingCollapse(Detector):
    """At every moment G writes a few things only, but other ones as time goes on.

    Reads       as mode-collapse
    Formula     as mode-collapse
    Rule        diversity <= diversity_max and turnover >= turnover_min
    Means       cat and mouse: G piles onto what D likes most, D comes after, G moves on; over time
                G visits much of the data, at any one time it covers little of it
    Try         higher d_lr, more d_steps, r1, r2
    Fails when  looks are rarer than the rotation: one look cannot tell rotating from static
    Paper       Metz et al. 2017; Mescheder, Geiger & Nowozin 2018
    """

    notebook: ClassVar[str] = "03_mode_collapse"
    diversity_max: float = limit(0.5, "diversity of fakes (real data: 1)")
    turnover_min: float = limit(0.1, "change of the cells from look to look (JS, nats)")

    def scores(self, signals):
        """Return diversity and turnover."""
        return {"diversity_max": diversity(signals), "turnover_min": signals.turnover()}
