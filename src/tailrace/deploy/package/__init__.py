"""The package of the function: a zip whose bytes are the same wherever and whenever it is built from the same sources.

What goes into it is asked for by a `Request`; what is in it its `Manifest` tells, which is in the zip as well.
"""

from tailrace.deploy.package.building import build, cache_of, warnings
from tailrace.deploy.package.manifest import Library, Manifest, Package, read
from tailrace.deploy.package.request import Request

__all__ = ["Library", "Manifest", "Package", "Request", "build", "cache_of", "read", "warnings"]
