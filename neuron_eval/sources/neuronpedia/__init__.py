"""Neuronpedia's features: single JSON files and exports."""
