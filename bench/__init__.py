"""How fast the engine and the audit are, as ratios against peers in one run: `make bench`."""
