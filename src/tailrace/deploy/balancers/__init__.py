"""Load balancers whose logs a deployment switches on: found, checked, changed, and put back as they were."""
