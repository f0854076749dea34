"""`neuron-eval compare`: prompt formats and models on the same neurons, in one run."""
