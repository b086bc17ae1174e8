"""Sending dead letters again: what succeeds is removed, what fails stays, and the receipts follow."""
