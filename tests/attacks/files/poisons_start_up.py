"""Leaves what Python runs or reads when it starts: sitecustomize, usercustomize, .pth files, a site-packages of the
user, modules that shadow the library's, start-up settings, libraries to preload."""

import os
import site
import sysconfig

from prepare import attempt, leave_checkpoint, write

leave_checkpoint()
evil = "import os; os._exit(66)\n"
packages = sysconfig.get_paths()["purelib"]
users = site.getusersitepackages()
for name in ("sitecustomize.py", "usercustomize.py", "evil.pth", "json.py", "torch.py"):
    attempt(f"{name} for all", lambda: write(f"{packages}/{name}", evil))
    attempt(f"{name} in the lab", lambda: write(f"/lab/{name}", evil))
    attempt(f"{name} beside the model host", lambda: write(f"/lab/prepare/{name}", evil))
    for folder in (
        "/tmp",
        "/out",
        "/out/checkpoint",
        "/dev/shm",
        users,
    ):  # these may be written, and must not matter
        os.makedirs(folder, exist_ok=True)
        write(f"{folder}/{name}", evil)
attempt("preload", lambda: write("/etc/ld.so.preload", "/out/evil.so"))
attempt("profile", lambda: write("/etc/profile", "exit 66"))
attempt("virtual environment", lambda: write("/opt/lab/pyvenv.cfg", "home = /tmp"))
for name in (".pythonrc.py", ".profile", ".bashrc"):
    write(f"/tmp/{name}", evil)
