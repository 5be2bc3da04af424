"""Ionhour's REST API over records in memory."""

from .operations import ionhour_routes
from .state import Ionhour, seed, seed_bulk

__all__ = ["Ionhour", "ionhour_routes", "seed", "seed_bulk"]
