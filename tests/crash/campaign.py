"""The whole crash test, with its figures: python tests/crash/campaign.py [worker|store|function …] [--kills N] [--seed N]."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from cloud import cloud
from crash.function import killed_function
from crash.worker import STORE, STREAMING, killed_worker

WAYS = {"worker": STREAMING, "store": STORE}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", default=[*WAYS, "function"])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--keep", type=Path)
    chosen = parser.parse_args()
    for what in chosen.what:
        folder = Path(chosen.keep or tempfile.mkdtemp(prefix="crash-")) / what
        folder.mkdir(parents=True)
        with cloud() as endpoint:
            how = {"kills": chosen.kills, "seed": chosen.seed, "scale": chosen.scale}
            if what in WAYS:
                told = killed_worker(folder, endpoint, WAYS[what], **how)
            else:
                told = killed_function(folder, endpoint, **how)
        print(told, flush=True)  # noqa: T201 - the figures


if __name__ == "__main__":
    main()
