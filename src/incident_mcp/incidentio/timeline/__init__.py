"""What happened around an incident and who takes part: one file a resource."""
