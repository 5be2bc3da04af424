"""Incidents: get, list, create, edit, close."""
