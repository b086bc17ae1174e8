"""Whether a cloud answers, is trusted, agrees about the time, and accepts the keys."""
