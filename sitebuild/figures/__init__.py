"""One file per figure: a pure function for its data, and one of the file's name that draws it."""
