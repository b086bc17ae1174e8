"""The `log-format` of Eucalyptus' load balancer for TCP: the recipe for access logs, and the image's own.

HAProxy refuses `%{+Q}r` in TCP mode, so the recipe's lines have `""`, `"-"` or nothing in its place.

https://docs.haproxy.org/3.2/configuration.html#8.2.6
"""

from __future__ import annotations

from tailrace.formats._haproxy import compile_log_format
from tailrace.kernel.layout import Format

RECIPE = r"tcplog\ %f\ %b\ %s\ %ts\ %Tw\ %Tc\ %Tt\ %{+Q}r\ %ci:%cp\ %fi:%fp\ %si:%sp\ req_size=%U\ resp_size=%B"
WITHOUT_REQUEST = RECIPE.replace(r"%{+Q}r\ ", "")
SERVO = "tcplog %Ts %ci %cp %si %sp %Tw %Tc %Tt %U %B %f %b %s %ts"

FORMAT = Format(
    name="haproxy_eucalyptus_tcp",
    title="HAProxy of an Eucalyptus load balancer, TCP",
    about="Lines that begin with the word `tcplog`. The recipe's carry no time: it is taken from the syslog header.",
    source="https://docs.haproxy.org/3.2/configuration.html#8.2.6",
    layouts=(compile_log_format(RECIPE), compile_log_format(WITHOUT_REQUEST), compile_log_format(SERVO)),
    framing="syslog",
    vendor="haproxy",
    precedence=11,
    example='Dec 11 04:32:11 localhost haproxy[1070]: tcplog f_db b_db i-1a2b3c4d -- 1 0 9 "" 192.0.2.7:39914 '
    "10.0.0.4:5432 10.0.0.9:5432 req_size=87 resp_size=165",
)
