"""The score: val_bpb of a checkpoint that only untrusted code can read. See docs/scoring.md.

Pure but for the channel that it is given: targets, byte lengths and every sum stay in this process, in
float64. It starts no container and opens no file.
"""
