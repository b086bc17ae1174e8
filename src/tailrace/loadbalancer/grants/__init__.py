"""Who may read a load balancer's log, granted in the way that the store really supports.

Whoever puts objects adds `put_headers(kind, lb, balancer)` to each: the agent needs nothing else from here, and
importing this imports nothing that is large.
"""

from __future__ import annotations

from tailrace.loadbalancer.grants.headers import put_headers

__all__ = ["put_headers"]
