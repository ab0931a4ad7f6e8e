"""Images, decoded by Pillow: bytes of a file in, numbers out."""
