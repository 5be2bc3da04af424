"""Ionhour incidents: list, search, get and acknowledge."""
