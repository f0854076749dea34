"""Explanations from elsewhere, and published scores."""
