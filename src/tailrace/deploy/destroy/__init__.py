"""Taking a deployment away: looked at, told in words, and done in an order in which nothing is left behind.

logging off ─▶ notification out ─▶ bucket emptied ─▶ out of the VPC ─▶ stack ─▶ buckets ─▶ log ─▶ packages, ledger ─▶ look again
"""
