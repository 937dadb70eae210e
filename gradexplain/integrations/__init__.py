"""Recorders for training frameworks; each imports its framework, and only when asked for."""
