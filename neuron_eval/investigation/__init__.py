"""An explainer that tests its explanation: it writes texts, and sees how the neuron responds.

It begins with a format's prompt and answer. Then come up to ``rounds`` of: competing hypotheses,
texts that tell them apart, the neuron's activations on these, a revised explanation. SAGE
(arXiv 2511.20820) works like that. What it writes is no part of any score, and held-out excerpts
are never shown.
"""
