"""The pages: a server-rendered shell, pictures drawn on the server, our own ES modules built from ``web/``."""
