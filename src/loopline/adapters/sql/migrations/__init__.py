"""How older state databases become the newest: Alembic revisions, oldest first in ``versions``."""
