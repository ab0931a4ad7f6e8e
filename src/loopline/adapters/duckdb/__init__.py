"""Questions in SQL about the prediction log, answered by DuckDB inside two walls."""
