"""What objects hold: lines as AWS's load balancers write them, or HAProxy's as they are."""
