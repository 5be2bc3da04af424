"""The way to a service: operations, requests, retries, rate limits and error bodies."""
