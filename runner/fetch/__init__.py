"""Downloads: shards and books that the lab's data are made from, whole and verified or not there.

Owns the library `requests` for this (the engine's API is the other user of it). Trusts the human who named the
addresses, and no server: sizes, digests and formats are checked before a file gets its name.
"""
