"""What the Lambda function costs before it does anything, and how much memory it needs: figures that no test asserts.

    python bench/awslambda.py [MEGABYTES]

- cold import: of the handler's module, in a new process
- the package: as `tailrace package` builds it, with the kernel that is installed
- cold start and memory: under AWS's runtime client, from the start of its process to the end of the first invocation, and the
  most memory it has had after an object of so many megabytes (decompressed) went to CloudWatch Logs with receipts in DynamoDB
"""

from __future__ import annotations

import gzip
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests"), str(HERE.parent / "tests" / "hosts")]

from test_awslambda import HANDLER, Aws, recent  # noqa: E402

from cloud import cloud  # noqa: E402 - the tests' own servers
from services.lambda_package import packed  # noqa: E402
from services.lambda_runtime import runtime  # noqa: E402
from services.strict_logs import KEY, SECRET, StrictLogs  # noqa: E402

_IMPORT = "import time; a = time.perf_counter(); import tailrace.hosts.awslambda; print(time.perf_counter() - a)"
_RUNS = 9
_LINES = 20_000


def cold_import() -> float:
    """Seconds, the least of several."""
    runs = [subprocess.run([sys.executable, "-c", _IMPORT], check=True, capture_output=True) for _ in range(_RUNS)]
    return min(float(run.stdout) for run in runs)


def invoked(folder: Path, megabytes: int) -> tuple[float, dict[str, object]]:
    """Seconds that the first invocation took with the start of the process, and the summary of a large one."""
    with cloud() as endpoint, StrictLogs() as logs:
        logs.create("/logs/alb")
        logs.accepted = logs.called = deque(maxlen=1)  # type: ignore[assignment]
        aws = Aws(endpoint)
        environ = {
            **aws.environ, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "TAILRACE_TO": "cloudwatch:/logs/alb",
            "TAILRACE_STATE": f"dynamodb:{aws.table()}", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": logs.url,
        }  # fmt: skip
        lines = recent(_LINES)
        member = gzip.compress(b"".join(lines))
        small, large = aws.put(b"".join(lines[:10])), aws.put(member * ((megabytes << 20) // sum(map(len, lines)) + 1))
        with runtime(HANDLER, folder, environ) as function:
            began = time.perf_counter()
            function.invoke(small)
            first = time.perf_counter() - began
            function.invoke(large, seconds=3600)
            return first, function.lines()[-1]


def main() -> None:
    """Measure and print."""
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 1024
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print(f"cold import          {cold_import():.3f} s")
        print(f"package              {packed(folder / 'package.zip').stat().st_size / 1e6:.2f} MB")
        first, summary = invoked(folder, megabytes)
        print(f"first invocation     {first:.2f} s, process and clients included")
        print(f"{megabytes:5} MB object      {summary['seconds']} s, at most {summary['max_memory_mb']} MB of memory")


if __name__ == "__main__":
    main()
