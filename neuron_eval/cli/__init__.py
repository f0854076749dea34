"""The command `neuron-eval`, one file a subcommand."""
