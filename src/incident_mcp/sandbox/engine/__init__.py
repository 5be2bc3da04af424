"""What both services share: HTTP, faults, the clock and request shapes."""
