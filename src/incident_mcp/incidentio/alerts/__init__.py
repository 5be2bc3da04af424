"""Alerts: one file a resource."""
