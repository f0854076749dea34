"""From excerpts to an explanation: the prompt, the solvers, cleaning, and the baseline."""
