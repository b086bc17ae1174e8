"""Serve Keystone, whose configuration is in OS_KEYSTONE_CONFIG_DIR, on 127.0.0.1: `keystone_serve.py PORT`.

Keystone reads the arguments of the process when it is imported, so they are taken away before.
"""

import sys

PORT = int(sys.argv.pop())

import waitress  # noqa: E402
from keystone.wsgi.api import application  # noqa: E402

waitress.serve(application, host="127.0.0.1", port=PORT, threads=4)
