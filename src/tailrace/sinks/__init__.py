"""Where batches go: one file for each kind of sink. Files whose name starts with `_` are shared pieces."""
