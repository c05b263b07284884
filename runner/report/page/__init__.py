"""The page that a run is read on: `runner report` writes it, `runner serve` serves it.

`material.py` reads a run's files, `model.py` makes bounded JSON of them and of the ledger, `html.py` one document of
that JSON and of the scripts in `static/`. Everything from a trial is untrusted: it travels as JSON, cleaned and
bounded here, and `static/` puts it into the document as text and never as markup.
"""
