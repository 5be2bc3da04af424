"""The team's server: Streamable HTTP, sign-in, roles, and what replicas share. It needs the extra `server`."""
