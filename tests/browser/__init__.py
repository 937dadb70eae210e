"""The built site in a real Chromium. `make browser` runs these; `make test` does not see them."""
