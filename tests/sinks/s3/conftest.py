"""The server that the S3 sink writes to."""

from standing import proxy, server, shelf, standing  # noqa: F401 - fixtures
