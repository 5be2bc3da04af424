"""From a function to a tool."""
