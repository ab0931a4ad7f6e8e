"""People's answers become labels: who is asked what, who can be relied on, what the answers say together."""
