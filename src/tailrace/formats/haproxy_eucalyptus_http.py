"""The `log-format` of Eucalyptus' load balancer for HTTP: the recipe for access logs, and the image's own.

https://docs.haproxy.org/3.2/configuration.html#8.2.6
"""

from __future__ import annotations

from tailrace.formats._haproxy import compile_log_format
from tailrace.kernel.layout import Format

RECIPE = r"httplog\ %f\ %b\ %s\ %ST\ %ts\ %Tq\ %Tw\ %Tc\ %Tr\ %Tt\ %{+Q}r\ %ci:%cp\ %fi:%fp\ %si:%sp\ req_size=%U\ resp_size=%B"
SERVO = "httplog %Ts %ci %cp %si %sp %Tq %Tw %Tc %Tr %Tt %ST %U %B %f %b %s %ts %r %hrl"

FORMAT = Format(
    name="haproxy_eucalyptus_http",
    title="HAProxy of an Eucalyptus load balancer, HTTP",
    about="Lines that begin with the word `httplog`. The recipe's carry no time: it is taken from the syslog header.",
    source="https://docs.haproxy.org/3.2/configuration.html#8.2.6",
    layouts=(compile_log_format(RECIPE), compile_log_format(SERVO)),
    framing="syslog",
    vendor="haproxy",
    precedence=10,
    example="Dec 11 04:32:11 localhost haproxy[1070]: httplog f_web b_web i-1a2b3c4d 200 -- 0 0 0 1 1 "
    '"GET /ok?a=1 HTTP/1.1" 192.0.2.7:53952 10.0.0.4:80 10.0.0.9:8080 req_size=86 resp_size=160',
)
