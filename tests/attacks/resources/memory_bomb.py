"""Takes memory until there is no more."""

taken = []
while True:
    taken.append(bytearray(4 << 20))
