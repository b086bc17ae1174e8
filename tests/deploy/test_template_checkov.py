"""checkov finds nothing that is not argued, in files as `tailrace template` writes them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from templating import ENDPOINTS, SEARCH, VPC, made

from services.real import SCRIPTS, absent
from tailrace.deploy.template import as_json, as_yaml

CHECKOV = SCRIPTS / "checkov.sh"
CASES = {
    "plain": (),
    "s3": ("deploy.trigger=s3", "deploy.tracing=true", "deploy.reserved_concurrency=5"),
    "eventbridge": ("deploy.trigger=eventbridge", "deploy.bucket=theirs"),
    "vpc": ("deploy.accounts=123456789012 210987654321", *ENDPOINTS, *SEARCH),
    "nat": (*VPC, "deploy.vpc.endpoints=false"),
}


def test_findings_are_argued(tmp_path: Path) -> None:
    if subprocess.run([CHECKOV, "there"], check=False).returncode:
        absent("checkov", "tools/servers/checkov.sh fetch PYTHON installs it into the cache")
    for name, assignments in CASES.items():
        (tmp_path / f"{name}.yaml").write_text(as_yaml(made(*assignments)))
    bare = made()
    for each in bare["Resources"].values():
        each.pop("Metadata", None)
    (tmp_path / "bare.json").write_text(as_json(bare))
    files = sorted(tmp_path.iterdir())
    told = subprocess.run([CHECKOV, "check", *files], check=False, capture_output=True, text=True, timeout=120)
    report: dict[str, Any] = json.loads(told.stdout)
    failed = [
        (Path(each["file_path"]).name, each["check_id"], each["resource"])
        for each in report["results"]["failed_checks"]
    ]
    assert [each for each in failed if each[0] != "bare.json"] == []
    assert {each[1] for each in failed} >= {"CKV_AWS_18", "CKV_AWS_21", "CKV_AWS_173"}
    assert report["summary"]["parsing_errors"] == 0
    assert {Path(each["file_path"]).name for each in report["results"]["passed_checks"]} == {
        each.name for each in files
    }
