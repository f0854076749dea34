"""Where neurons come from: one file a source."""
