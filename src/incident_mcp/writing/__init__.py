"""One logical write, carried out at most once: plan, journal, confirmation, limits and audit log."""
