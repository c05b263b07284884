"""Looks for sockets, processes and files of the host, devices, keys, and what the kernel tells; and writes where the
kernel listens."""

import os
import stat

from prepare import attempt, leave_checkpoint, number, write

SOCKETS = ["/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock",
           "/run/dbus/system_bus_socket", "/run/systemd/private", "/tmp/.X11-unix/X0"]  # fmt: skip
READ = ["/etc/shadow", "/root/.ssh/id_rsa", "/root/.docker/config.json", "/proc/1/environ", "/proc/1/maps",
        "/proc/1/cwd/runner.toml", "/proc/kcore", "/proc/kmsg", "/dev/kmsg", "/dev/mem", "/dev/vda", "/dev/sda",
        "/dev/fuse", "/dev/kvm", "/proc/kpageflags", "/sys/kernel/debug/x", "/proc/config", "/lab/data/val.npy",
        "/lab/data/holdout.npy", "/lab/data/manifest.json", "/lab/runner.toml", "/run/secrets"]  # fmt: skip
WRITE = ["/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname",
         "/proc/sys/vm/drop_caches", "/proc/sys/kernel/modprobe", "/sys/fs/cgroup/memory/memory.limit_in_bytes",
         "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/release_agent",
         "/sys/fs/cgroup/memory/release_agent", "/sys/kernel/uevent_helper", "/sys/power/state"]  # fmt: skip
DEVICES = {"console", "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin",
           "stdout", "tty", "urandom", "zero"}  # fmt: skip

for path in SOCKETS + READ:
    attempt(f"read {path}", lambda: open(path, "rb").read(1))
for path in WRITE:
    attempt(f"write {path}", lambda: write(path, "1"))
attempt("less likely to be killed", lambda: write("/proc/self/oom_score_adj", "-1000"))
for path in ("/proc/keys", "/proc/timer_list"):  # masked: there, and empty
    number(f"bytes of {path}", len(open(path, "rb").read()))
number("files of the firmware", len(os.listdir("/sys/firmware")))
number("other devices", len(set(os.listdir("/dev")) - DEVICES))
number(
    "other processes", len([p for p in os.listdir("/proc") if p.isdigit() and int(p) not in (1, os.getpid())])
)
number("interfaces", len(set(os.listdir("/sys/class/net")) - {"lo"}))
sockets = 0
for folder, folders, names in os.walk("/"):
    folders[:] = [] if folder.startswith(("/proc", "/sys")) else folders
    for name in names:
        try:
            sockets += stat.S_ISSOCK(os.lstat(os.path.join(folder, name)).st_mode)
        except OSError:
            pass
number("sockets", sockets)
others = [k for k in os.environ if not k.startswith(("RUNNER_", "PYTHON", "OMP_"))]
number("other variables", len(set(others) - {"HOME", "LANG", "NVIDIA_VISIBLE_DEVICES", "PATH", "USER"}))
leave_checkpoint()
