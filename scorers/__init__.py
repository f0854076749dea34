"""Scorers, one file each; installed as `neuron_eval.scorers`."""
