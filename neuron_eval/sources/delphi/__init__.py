"""Latents of sparse autoencoders, as delphi caches them."""
