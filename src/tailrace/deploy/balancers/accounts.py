"""Who delivers the logs of load balancers.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/enable-access-logging.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/network/enable-access-logs.html
"""

from __future__ import annotations

from typing import Final

LOAD_BALANCING: Final = "logdelivery.elasticloadbalancing.amazonaws.com"
"""Delivers those of application and classic load balancers."""
LOG_DELIVERY: Final = "delivery.logs.amazonaws.com"
"""Delivers those of network load balancers."""
