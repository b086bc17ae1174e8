"""The attributes of load balancers that concern logs: found, read and changed through the API of a cloud."""
