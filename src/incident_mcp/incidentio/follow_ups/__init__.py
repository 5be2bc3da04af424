"""Follow-ups, which are done after an incident, and actions, which are done during it."""
