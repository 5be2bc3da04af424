"""Ionhour: one module or package per resource, with its records and tools."""
