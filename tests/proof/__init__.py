"""The reader of LaTeX and the checker of derivations; README.md says how to declare a formula."""
