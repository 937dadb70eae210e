"""How the site is made: Markdown extensions and MkDocs hooks. Not part of the wheel."""
