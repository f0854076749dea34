"""OpenAI's neuron-explainer data, in the public container or mirrored."""
