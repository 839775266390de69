"""An interactive diagnostics suite for GAN instability, with text GANs as the patient."""

import importlib

__version__ = "0.1.0"

# Name -> module that defines it; loaded when first used, so that reading telemetry needs no torch
# and a batch job no widgets.
_LAZY = {
    "Schedule": "knobs", "Knob": "knobs", "Knobs": "knobs",
    "Step": "telemetry", "Telemetry": "telemetry",
    "load_corpus": "data", "CORPORA": "data", "Corpus": "data", "Grammar": "data",
    "LSTMOracle": "data",
    "GENERATORS": "models", "DISCRIMINATORS": "models",
    "LOSSES": "objectives", "ESTIMATORS": "objectives", "REMEDIES": "objectives",
    "OPTIMISERS": "training", "PROBES": "training", "Spec": "training", "Trainer": "training",
    "SCENARIOS": "training", "Scenario": "training", "SYSTEMS": "training", "System": "training",
    "BASELINES": "baselines", "PairedGrammar": "data", "PairedCorpus": "data",
    "TravellingWaves": "data",
    "frozen_gradients": "training.frozen", "futures": "training.futures",
    "quality": "training.quality", "text_quality": "training.text_quality",
    "TextJudges": "training.text_quality", "loss_threshold": "objectives.schedules",
    "exact_gradient": "objectives.enumeration", "estimator_errors": "objectives.enumeration",
    "playable": "objectives.enumeration", "best_judge": "objectives.enumeration",
    "nudge": "models.nudges",
    "outcome": "diagnostics.outcomes", "at_measurements": "diagnostics.agreement",
    "loss_correlations": "diagnostics.agreement", "loss_trend": "diagnostics.agreement",
    "DETECTORS": "diagnostics", "Report": "diagnostics", "Watch": "diagnostics",
    "diagnose": "diagnostics",
    "LiveLab": "dashboard", "compare": "dashboard",
    "slide": "dashboard.slide", "show": "dashboard", "carry_on": "batch", "keep": "batch",
    "sweep": "batch.sweep", "make_grid": "batch.grid", "read_grid": "batch.grid",
    "Cluster": "batch.cluster", "runs": "batch.runs", "histories": "batch.runs",
}  # fmt: skip
_MODULES = {"metrics", "dynamics", "diagnostics"}
_ALIASES = {"plots": "diagnostics.plots"}

__all__ = sorted([*_LAZY, *_MODULES, *_ALIASES, "__version__"])


def __getattr__(name: str):
    if name in _LAZY:
        value = getattr(importlib.import_module(f".{_LAZY[name]}", __name__), name)
    elif name in _MODULES or name in _ALIASES:
        value = importlib.import_module(f".{_ALIASES.get(name, name)}", __name__)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
