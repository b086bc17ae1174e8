"""The agent on a load balancer's machine: takes HAProxy's log, keeps it in a spool, and puts an object of it into a bucket at each slot's end.

Three processes: one holds the sockets and starts the others anew when they die (`supervise`), one takes lines into the spool
(`working`), one puts what the spool has closed (`ship`). They meet in the spool's folder only.
"""
