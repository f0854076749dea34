"""Inspect tasks; installed as `neuron_eval.tasks`."""
