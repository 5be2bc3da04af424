"""On-call: schedules, overrides, escalation paths, escalations, and who can be reached."""
