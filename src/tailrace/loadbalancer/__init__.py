"""Access logging for the HAProxy load balancers of private clouds: from HAProxy's log to an object in its owner's bucket."""
