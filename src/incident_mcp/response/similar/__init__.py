"""Closed incidents that resemble an incident or a description."""
