"""The edge: configuration, command line, HTTP and pages. Everything is wired here, nothing is decided here."""
