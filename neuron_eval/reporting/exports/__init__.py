"""Explanations with their scores, as files for other programs."""
