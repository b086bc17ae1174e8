"""Having HAProxy, rsyslog and machines' images ready for access logging: looked at, planned, shown, done, and undone."""
