"""Tasks and answers on their way out to other tools, and back in."""
