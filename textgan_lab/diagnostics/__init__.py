"""Reading a run: diagnoses and plots. Everything here reads telemetry, never a model; no torch."""

from . import illnesses  # registers what DETECTORS holds
from .detectors import DETECTORS, Detector, Finding, Reading, readings
from .report import Online, Report, diagnose
from .signals import NotApplicable, Signals, histograms
from .watch import Watch

__all__ = [
    "DETECTORS", "Detector", "Finding", "NotApplicable", "Online", "Reading", "Report", "Signals",
    "Watch", "diagnose", "histograms", "illnesses", "readings",
]  # fmt: skip
