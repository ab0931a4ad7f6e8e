"""The prediction log and its counters on a local disk: one SQLite file of Arrow batches, one page of totals."""
