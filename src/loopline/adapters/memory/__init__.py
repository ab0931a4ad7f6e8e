"""Everything in memory: for tests, notebooks, and authors of stages. Nothing outlives the process."""
