"""The sources: one file each, named as the service or medium that items come from.

Files whose name starts with `_` are shared pieces.
"""
