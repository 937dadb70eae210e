"""The wheel, as those who install it have it."""
