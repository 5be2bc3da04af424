"""What is open in both services, in one result."""
