"""Prompt packs: the wording and the few-shot neurons of every prompt, as data."""
