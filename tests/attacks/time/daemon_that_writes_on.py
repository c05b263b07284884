"""Forks twice into a session of its own, ignores all signals and goes on writing to /out, while its parent ends with
success: whoever looks at /out next would see it change."""

import os
import signal
import time

from prepare import leave_checkpoint

leave_checkpoint()
ready, told = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        count = 0
        while True:
            count += 1
            with open("/out/counter", "w") as file:
                file.write(str(count))
            if count == 1:
                os.write(told, b"x")
            time.sleep(0.002)
    os._exit(0)
os.read(ready, 1)
time.sleep(0.1)
