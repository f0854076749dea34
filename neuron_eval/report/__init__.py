"""Logs to tables."""
