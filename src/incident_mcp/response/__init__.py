"""What joins both services: the situation, one incident's story, and an incident out of an alert."""
