"""Subcommands of `neuron-eval`, each imported when it is asked for."""
