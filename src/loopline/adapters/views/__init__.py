"""The built-in ways of showing a sample to a person."""
