"""Fills /out in bytes."""

with open("/out/fill", "wb") as file:
    while True:
        file.write(bytes(1 << 16))
