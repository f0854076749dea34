"""What every request to a model goes through: caching, errors, refusals, tokens."""
