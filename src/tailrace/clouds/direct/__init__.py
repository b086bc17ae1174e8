"""Clouds spoken to without boto3: metadata of instances, signatures, puts, and the API of OpenStack itself.

The agent beside a load balancer has little memory.
"""
