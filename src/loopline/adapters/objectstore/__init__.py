"""Objects in a bucket: S3, Google Cloud Storage, Azure Blob Storage, Alibaba Cloud OSS."""
