"""A score by experiment: texts that fit an explanation, and what the neuron does on them.

A writer, who sees the explanation and nothing of the neuron, writes texts that fit it, and changes
each of them so that it does not. The subject is run on both.
"""

MEANING = (
    "a writer writes texts that fit the explanation, and the subject is run on them; this is how "
    "often the neuron's peak there is above that in a random excerpt (AUROC). Chance gets 0.5. It "
    "does not see what else the neuron fires on: an explanation that is too narrow loses nothing."
)
"""What the score measures and what it does not notice, in a line."""

CHANCE = 0.5
TEXTS = 5  # so many fit, and so many are near
LEAST = 2  # fewer texts, or fewer random excerpts, say nothing of a neuron
