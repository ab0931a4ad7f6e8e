"""Dataset versions as files that others read: Parquet, CSV, JSONL, the layout of Hugging Face."""
