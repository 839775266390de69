"""What was measured over seeds, as tables show it: median and range, never the best."""

import statistics
from collections.abc import Iterable


def spread(values: Iterable[float | None], form: str) -> str:
    """Return median and range in a number format; a dash where nothing was measured."""
    known = [v for v in values if v is not None]
    if not known:
        return "–"
    parts = statistics.median(known), min(known), max(known)
    middle, low, high = (format(v, form) for v in parts)
    return f"{middle} [{low}, {high}]"
