"""`python -m neuron_eval` is the command `neuron-eval`."""

from neuron_eval.cli.main import main

main()
