"""The process that trains: ``python -m loopline.apps.worker RUN_FOLDER``."""
