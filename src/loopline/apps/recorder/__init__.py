"""The recorder: the process beside the server that writes what was answered into the log."""
