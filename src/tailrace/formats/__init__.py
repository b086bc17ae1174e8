"""The formats: one file each, holding its layout, its documentation and an example line.

The file's name is the name that users write. Files whose name starts with `_` are shared pieces.
"""
