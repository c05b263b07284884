"""The gate on a pull request: what a head changes, base scores known from before, and the verdict in files.

The judging itself is the loop's and the ratchet's, as in any run. Everything of a pull request is untrusted: names,
titles, notes, logs, samples and source are data, put into Markdown, XML, outputs and logs by one function for each.
"""
