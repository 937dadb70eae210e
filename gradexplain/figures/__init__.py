"""One file per figure: a function that computes its data, and one of the same name that draws it."""
