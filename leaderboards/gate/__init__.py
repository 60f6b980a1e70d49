"""The quality gate: a candidate against its reference."""
