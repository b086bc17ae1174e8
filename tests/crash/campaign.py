"""The whole crash test, with its figures: python tests/crash/campaign.py [worker|store|lambda …] [--kills N] [--seed N]."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from cloud import cloud
from crash.worker import killed_worker

WAYS = {"worker": ("cloudwatch", "elasticsearch", "logstash", "s3"), "store": ("store", "elasticsearch")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", default=list(WAYS))
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--keep", type=Path)
    chosen = parser.parse_args()
    for what in chosen.what:
        folder = Path(chosen.keep or tempfile.mkdtemp(prefix="crash-")) / what
        folder.mkdir(parents=True)
        with cloud() as endpoint:
            told = killed_worker(
                folder, endpoint, WAYS[what], kills=chosen.kills, seed=chosen.seed, scale=chosen.scale
            )
        print(told, flush=True)


if __name__ == "__main__":
    main()
