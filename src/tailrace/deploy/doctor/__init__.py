"""What breaks in practice, looked for in an account and on this machine, with the command that repairs it.

looking ─▶ what was found ─▶ judge, which only thinks ─▶ findings
"""
