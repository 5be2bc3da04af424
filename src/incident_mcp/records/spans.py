"""Spans of time for people: 42m, 3h10m, 2d4h."""


def format_span(seconds: float) -> str:
    """Format a duration in its two largest units."""
    minutes = max(0, int(seconds // 60))
    days, hours = minutes // 1440, minutes % 1440 // 60
    if days:
        return f"{days}d{hours}h"
    return f"{hours}h{minutes % 60}m" if hours else f"{minutes}m"
