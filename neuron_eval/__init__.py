"""Automated neuron explanation and its scoring, as a plugin of Inspect."""
