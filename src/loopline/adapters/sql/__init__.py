"""State in one SQL database through SQLAlchemy Core: SQLite by default, PostgreSQL by URL."""
