"""The HTTP client of the two services: operations, requests, retries, rate limits and error bodies."""
