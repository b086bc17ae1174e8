"""What HAProxy is told to log so that every field of AWS's access logs can be written.

The two strings are for `log-format` (HAProxy 2.4 and newer; one for each frontend, for all its log targets), or, from
HAProxy 3.1, for `on any format` of a `log-profile` that a `log` line names: then other targets keep their own format.
Before 3.1 `beside` puts them into `log-format-sd`, which only targets of the format rfc5424 are sent: HAProxy writes it
where structured data stands, followed by the line that all targets are sent. For a syslog reader both are the message.
A frontend in HTTP mode needs `HTTP_RULES` too, before its other rules. They set variables only: no capture slot is
taken, so that `%hr`, `%hs` and the captures' numbers stay as they are. Where a frontend must keep a log-format of its
own, leave it: each form reads HAProxy's other formats too, and writes a dash for what they do not tell.

HAProxy has to be built with TLS, as all distributions' are. Releases before the end of September 2022 have an error in
`+E`: of a text they leave out as many bytes at its end as they escape in it, so that a user agent with quotes is cut.

The syslog header may have any format, best `rfc5424`. Give the target `len 65535`, or long lines are cut at 1024 bytes.
"""

from __future__ import annotations

from typing import Final

from tailrace.formats import haproxy_tailrace

HTTP: Final = haproxy_tailrace.HTTP
"""For frontends in HTTP mode, in quotes of either kind: `log-format '…'`."""
TCP: Final = haproxy_tailrace.TCP
"""For frontends in TCP mode."""
HTTP_RULES: Final = (
    "http-request set-var(txn.tailrace_agent) req.fhdr(user-agent)",
    "http-request set-var(txn.tailrace_host) req.hdr(host)",
    "http-request set-var(txn.tailrace_url) url if { url,length gt 900 }",
    "http-request set-var(txn.tailrace_version) req.ver if { url,length gt 900 }",
    "http-response set-var(txn.tailrace_status) status",
    "http-after-response set-var(txn.tailrace_location) res.fhdr(location) if { status 300:399 }",
)
"""Rules of a frontend in HTTP mode, in front of its others.

`%r` is cut at `tune.http.logurilen` (1024), so a long URL is kept beside it. The status is the server's own: responses
that HAProxy makes pass no `http-response` rules.
"""


def beside(text: str) -> str:
    """What `log-format-sd` is told, so that only a target of the format rfc5424 has these fields, before the line of all targets."""
    return f"- {haproxy_tailrace.beside(text)}"


LENGTH: Final = 65535
"""The `len` of the log target."""
