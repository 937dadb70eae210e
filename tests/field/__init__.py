"""Real training frameworks, each in its own environment, read by the audit."""
