"""Record neurons of a Hugging Face causal language model (extra `record`)."""
