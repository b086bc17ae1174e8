"""Deploying: looking at what is in an account, planning what is to change, and doing it so that it can always be taken up again."""
