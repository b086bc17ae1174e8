"""HAProxy, `option httpslog`: the HTTP line and what is known of the TLS connection.

https://docs.haproxy.org/3.2/configuration.html#8.2.4
"""

from __future__ import annotations

from tailrace.formats import haproxy_http
from tailrace.formats._haproxy import compile_log_format, with_slack
from tailrace.kernel.layout import Format

LOG_FORMAT = (
    haproxy_http.LOG_FORMAT
    + " %[fc_err]/%[ssl_fc_err,hex]/%[ssl_c_err]/%[ssl_c_ca_err]/%[ssl_fc_is_resumed] %[ssl_fc_sni]/%sslv/%sslc"
)

FORMAT = Format(
    name="haproxy_https",
    title="HAProxy, option httpslog",
    about="As `haproxy_http`, with the errors, the SNI, the version and the cipher of the TLS connection at its end.",
    source="https://docs.haproxy.org/3.2/configuration.html#8.2.4",
    layouts=(with_slack(compile_log_format(LOG_FORMAT), "server"),),
    framing="syslog",
    vendor="haproxy",
    precedence=13,
    example="<142>1 2026-11-20T19:54:41.922597+00:00 lb1 haproxy 8482 - - 192.0.2.7:41634 "
    "[20/Nov/2026:19:54:41.922] web~ app/s1 0/0/0/0/0 200 79 - - ---- 1/1/0/0/0 0/0 "
    '"GET /tls HTTP/1.1" 0/0000000000000000/0/0/0 www.example.com/TLSv1.3/TLS_AES_256_GCM_SHA384',
)
