"""The server that sources read from."""

from standing import bucket, proxy, server, standing  # noqa: F401 - fixtures
