"""From settings to a running deployment in an account of AWS, and back to nothing."""
