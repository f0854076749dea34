"""Judging explanations: the question that people and language models are asked alike."""
