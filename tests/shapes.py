"""The run-time check of shapes and types that the tests put into the package as they import it."""

from beartype import BeartypeConf, beartype

#: As type checkers read annotations: where a float is asked for, an int will do (PEP 484).
checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
