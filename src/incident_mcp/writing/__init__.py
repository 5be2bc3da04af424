"""Writes that take effect at most once: plan, journal, confirmation, limits, outcome and audit log."""
