"""Reading the logs of evals: which belong together, and what they say of each neuron."""
