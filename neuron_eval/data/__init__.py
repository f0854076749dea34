"""Bundled neurons and puzzles; SOURCES.md says where they come from."""
