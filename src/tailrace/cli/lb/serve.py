"""`tailrace lb serve`: the load balancing API that switches access logs on."""

from __future__ import annotations

from typing import Any

import click

from tailrace.cli._options import CLOUD, resolved, settings_options


@click.command("serve", short_help="Speak the load balancing API for access logs.")
@click.option("--accounts", metavar="FILE", help="File (TOML) of the users and load balancers.")
@click.option("--listen", metavar="HOST:PORT", help="Where it answers.")
@click.option("--database", metavar="FILE", help="SQLite file that keeps what is wanted of each load balancer.")
@click.option("--certificate", metavar="FILE", help="Certificate chain (PEM), to answer over TLS.")
@click.option("--key", metavar="FILE", help="Its key (PEM).")
@click.option(
    "--forward-to", metavar="URL", help="The cloud's own load balancing endpoint, for all that is not kept here."
)
@settings_options(*CLOUD)
def command(**flags: Any) -> int:
    """Answer ModifyLoadBalancerAttributes, DescribeLoadBalancerAttributes and DescribeLoadBalancers as AWS does, until SIGTERM.

    Both versions are spoken, 2012-06-01 (aws elb) and 2015-12-01 (aws elbv2). Buckets are tried with the keys of the settings. Each
    request is told of in a line of JSON on standard error. SIGHUP reads accounts, secrets and certificate again.

    \b
      tailrace lb serve --accounts accounts.toml --region eucalyptus
      aws elb modify-load-balancer-attributes --endpoint-url http://127.0.0.1:9470 --load-balancer-name web \\
          --load-balancer-attributes AccessLog={Enabled=true,S3BucketName=logs,EmitInterval=5}
    """  # noqa: D301 - \b is click's
    from tailrace.cli.lb._serve import serve  # noqa: PLC0415 - not needed for --help

    own = {key: flags.pop(key) for key in ("accounts", "listen", "database", "certificate", "key", "forward_to")}
    told = [f"lb.serve.{key}={value}" for key, value in own.items() if value is not None]
    return serve(resolved({**flags, "assignments": [*flags["assignments"], *told]}).settings)
