"""The kernel: bytes to records. Layouts as data, the native module's face, and the reference twin."""
