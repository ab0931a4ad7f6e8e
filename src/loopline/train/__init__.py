"""dataset version -> challenger: plan the run, collect what it left, verify it."""
