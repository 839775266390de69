"""Reading a run: plots and colours. Everything here reads telemetry, never a model; no torch."""
