"""The load balancing API that switches access logs on: what `tailrace lb serve` speaks."""
