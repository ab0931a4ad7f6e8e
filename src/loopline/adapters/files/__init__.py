"""Objects as plain files."""
