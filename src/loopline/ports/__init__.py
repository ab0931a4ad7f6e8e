"""What we ask of the outside: one Protocol a file, each with a contract suite in ``loopline.testing``."""
