"""`tailrace lb configure`: have HAProxy's log come to the agent."""

from __future__ import annotations

from typing import Any

import click

from tailrace.cli._options import resolved, settings_options


@click.command("configure", short_help="Have HAProxy on this machine log to the agent too.")
@click.option("-f", "--file", "files", metavar="FILE", multiple=True, help="HAProxy's configuration, /etc/haproxy/haproxy.cfg if not given. May be repeated, as for HAProxy.")  # fmt: skip
@click.option("--frontend", "frontends", metavar="NAME", multiple=True, help="Only this frontend or listen. May be repeated; all if not given.")  # fmt: skip
@click.option("--to", metavar="WHERE", help="Where the agent receives: unix:PATH or udp:127.0.0.1:PORT. The first of lb.receive in tailrace.toml, or else udp:127.0.0.1:5514, if not given.")  # fmt: skip
@click.option("--own-format", is_flag=True, help="Let the frontend's log-format be Tailrace's, also for its other log targets.")  # fmt: skip
@click.option("--their-format", is_flag=True, help="Take the lines that its other log targets are sent; some of AWS's fields are then missing.")  # fmt: skip
@click.option("--undo", is_flag=True, help="Bring back what was there before.")
@click.option("--rsyslog", is_flag=True, help="Show a rule for rsyslog that writes HAProxy's log into a file, instead.")
@click.option("--logrotate", is_flag=True, help="Show a rule for logrotate for that file, instead.")
@click.option("--systemd", is_flag=True, help="Show units for systemd that run the agent, instead.")
@click.option("--cron", is_flag=True, help="Show a line for cron that runs the agent now and then, instead.")
@click.option("--install", is_flag=True, help="Write these into their files.")
@click.option("--haproxy", metavar="PATH", default="", help="HAProxy's program; the one that runs, or is installed, if not given.")  # fmt: skip
@click.option("--reload-command", metavar="WORDS", default="", help="How HAProxy is reloaded; found by looking if not given.")  # fmt: skip
@click.option("--no-reload", is_flag=True, help="Change the file only.")
@click.option("--generated", is_flag=True, help="Change a file that says that a program writes it.")
@click.option("--kept", metavar="DIR", default="/var/lib/tailrace/configure", show_default=True, help="Where it is kept what was there before.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Only show what would be changed.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@settings_options()
def command(**flags: Any) -> int:
    """Have HAProxy on this machine log to the agent too, beside all who are sent its log now: they get the same lines as before.

    What would be changed is shown first, and nothing is done without consent. HAProxy reads the new configuration (haproxy -c) before it
    is where it finds it, is reloaded, and has to go on with new workers; else everything is as it was. --undo takes it back.
    """
    from tailrace.cli.lb import _configure  # noqa: PLC0415 - not needed for --help

    settings = {name: flags.pop(name) for name in ("assignments", "config")}
    return _configure.configure(resolved(settings).settings.lb, settings["config"] or "", **flags)
