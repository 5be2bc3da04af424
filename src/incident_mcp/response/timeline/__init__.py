"""The timeline of one incident, from both services."""
