"""Ionhour checks: list and get."""
