"""Told without looking: a program or a webhook is given a few lines on improvement, trouble and end.

`payload` says what, `senders` brings it out of the house, `notifier` hears of it and never lets a run wait.
"""
