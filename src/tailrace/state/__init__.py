"""Where receipts, leases and the list of a store's files are kept."""
