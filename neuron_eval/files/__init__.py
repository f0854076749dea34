"""Files that others write too: read within bounds, locked, and kept when a write is cut short."""
