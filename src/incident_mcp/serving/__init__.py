"""Serving tools, prompts, resources and the skill over MCP."""
