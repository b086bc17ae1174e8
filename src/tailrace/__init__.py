"""Tailrace carries load-balancer access logs, parsed and fully accounted for, to where people look."""

__version__ = "0.1.0"
