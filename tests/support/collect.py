"""What pytest collects besides tests: the pages, the README and the docstrings, by Sybil."""

from proof.derivations import parse_derivations
from sybil import Sybil
from sybil.document import PythonDocStringDocument
from sybil.parsers.rest import DocTestParser

from support.pages import ROOT, parse_blocks, parse_faults, parse_numbers

pages = Sybil(
    parsers=[parse_blocks, parse_numbers, parse_derivations, parse_faults],
    pattern="*.md",
    path=str(ROOT),
)
docstrings = Sybil(
    parsers=[DocTestParser()],
    pattern="*.py",
    path=str(ROOT / "gradexplain"),
    document_types={".py": PythonDocStringDocument},
)
