"""Prediction -> log: batching, sampling, reserve assignment, and an account in which every answer has its place."""
