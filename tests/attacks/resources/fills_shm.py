"""Fills /dev/shm in bytes and in files."""

from prepare import attempt, leave_checkpoint, number

written = made = 0


def bytes_():
    global written
    with open("/dev/shm/fill", "wb", buffering=0) as file:
        while True:
            written += file.write(bytes(1 << 16))


def files():
    global made
    while True:
        open(f"/dev/shm/{made}", "w").close()
        made += 1


attempt("more bytes", bytes_)
attempt("more files", files)
number("files", made)
number("bytes", written)
leave_checkpoint()
