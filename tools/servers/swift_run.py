"""Run a program of Swift with a configuration outside /etc: `swift_run.py SWIFT_CONF PROGRAM ARGUMENT...`.

The object expirer reads swift.conf before it knows of `swift_dir`.
"""

import runpy
import sys

from swift.common import utils

_, utils.SWIFT_CONF_FILE, *sys.argv = sys.argv
utils.validate_hash_conf()
runpy.run_path(sys.argv[0], run_name="__main__")
