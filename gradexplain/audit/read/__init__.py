"""Gradients in, inner products and weights out; NumPy only."""
