# ruff: noqa: PTH101, PTH103, PTH108, PTH110, PTH208, SIM115, PLW1510
"""Runs inside a sandbox, as the agent would: tries to get out, and prints what each attempt came to, as JSON.

An attempt's outcome is ``ok``, the name of an error, ``killed by SIG…``, or what was found. It imports
nothing but the standard library, and knows nothing of the tests that read what it prints.
"""

import ctypes
import errno
import json
import os
import platform
import resource
import signal
import socket
import stat
import subprocess
import sys
import time

LIBC = ctypes.CDLL(None, use_errno=True)
X86 = platform.machine() == "x86_64"
NEW = {"USER": 0x10000000, "NS": 0x20000, "PID": 0x20000000, "NET": 0x40000000, "IPC": 0x08000000}
UPPER = 1 << 32

# name: (number on x86_64, number on aarch64, arguments); None where a machine has no such call.
CALLS = {
    "mount": (165, 40, ()),
    "umount2": (166, 39, ()),
    "pivot_root": (155, 41, ()),
    "chroot": (161, 51, (b"/tmp",)),
    "move_mount": (429, 429, ()),
    "open_tree": (428, 428, ()),
    "fsopen": (430, 430, (b"tmpfs", 0)),
    "mount_setattr": (442, 442, ()),
    "unshare user": (272, 97, (NEW["USER"],)),
    "unshare net": (272, 97, (NEW["NET"],)),
    "unshare mount": (272, 97, (NEW["NS"],)),
    "setns": (308, 268, (0, 0)),
    "clone3": (435, 435, (None, 0)),
    "bpf": (321, 280, (0, None, 0)),
    "perf_event_open": (298, 241, ()),
    "add_key": (248, 217, ()),
    "request_key": (249, 218, ()),
    "keyctl": (250, 219, (0,)),
    "io_uring_setup": (425, 425, (1, None)),
    "io_uring_enter": (426, 426, ()),
    "io_uring_register": (427, 427, ()),
    "userfaultfd": (323, 282, (0,)),
    "kexec_load": (246, 104, ()),
    "kexec_file_load": (320, 294, ()),
    "init_module": (175, 105, ()),
    "finit_module": (313, 273, ()),
    "delete_module": (176, 106, ()),
    "reboot": (169, 142, ()),
    "swapon": (167, 224, ()),
    "acct": (163, 89, ()),
    "quotactl": (179, 60, ()),
    "syslog": (103, 116, (3, None, 0)),
    "sethostname": (170, 161, (b"x", 1)),
    "settimeofday": (164, 170, ()),
    "clock_settime": (227, 112, ()),
    "adjtimex": (159, 171, ()),
    "iopl": (172, None, (3,)),
    "ioperm": (173, None, (0, 1, 1)),
    "modify_ldt": (154, None, (0, None, 0)),
    "vhangup": (153, 58, ()),
    "ptrace of 1": (101, 117, (16, 1, 0, 0)),
    "ptrace of 1, spelt with 33 bits": (101, 117, (16, UPPER | 1, 0, 0)),
    "process_vm_readv": (310, 270, (1, None, 0, None, 0, 0)),
    "process_vm_writev": (311, 271, (1, None, 0, None, 0, 0)),
    "pidfd_getfd": (438, 438, ()),
    "kcmp": (312, 272, (1, 1, 0, 0, 0)),
    "name_to_handle_at": (303, 264, ()),
    "open_by_handle_at": (304, 265, ()),
    "fanotify_init": (300, 262, ()),
    "memfd_secret": (447, 447, ()),
    "personality of executable data": (135, 92, (0x0400000,)),
    "lookup_dcookie": (212, 18, ()),
    "socket AF_ALG": (41, 198, (38, 5, 0)),
    "socket AF_VSOCK": (41, 198, (40, 1, 0)),
    "socket AF_VSOCK, spelt with 33 bits": (41, 198, (UPPER | 40, 1, 0)),
    "socket AF_PACKET": (41, 198, (17, 3, 768)),
    "socket AF_BLUETOOTH": (41, 198, (31, 3, 1)),
    "socket raw": (41, 198, (2, 3, 1)),
    "socket raw v6": (41, 198, (10, 3, 58)),
    "socket ping": (41, 198, (2, 2, 1)),
    "socket SCTP": (41, 198, (2, 1, 132)),
    "socket DCCP": (41, 198, (2, 6, 33)),
    "socket netfilter": (41, 198, (16, 3, 12)),
    "socket xfrm": (41, 198, (16, 3, 6)),
}


def name_of(number):
    return errno.errorcode.get(number, str(number))


def tried(attempt):
    """Do it, and say what came of it."""
    try:
        outcome = attempt()
    except OSError as error:
        return name_of(error.errno)
    return "ok" if outcome is None else outcome


def system_call(x86, arm, arguments):
    number = x86 if X86 else arm
    if number is None:
        return "EPERM"
    padded = [*arguments, *[0] * (6 - len(arguments))]
    LIBC.syscall.restype = ctypes.c_long
    said = LIBC.syscall(
        ctypes.c_long(number), *(one if isinstance(one, bytes) else ctypes.c_long(one or 0) for one in padded)
    )
    return "ok" if said >= 0 else name_of(ctypes.get_errno())


def in_child(work):
    """Do it in a child, which may die of it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, str(tried(work)).encode())
        os._exit(0)
    os.close(writing)
    said = os.read(reading, 1000).decode()
    os.close(reading)
    status = os.waitpid(child, 0)[1]
    return f"killed by {signal.Signals(os.WTERMSIG(status)).name}" if os.WIFSIGNALED(status) else said


def namespaces_by_clone():
    number = 56 if X86 else 220
    said = {}
    for name, flag in NEW.items():
        LIBC.syscall.restype = ctypes.c_long
        child = LIBC.syscall(ctypes.c_long(number), ctypes.c_long(flag | 17), 0, 0, 0, 0)
        if child == 0:
            os._exit(0)
        said[name] = "ok" if child > 0 else name_of(ctypes.get_errno())
        if child > 0:
            os.waitpid(child, 0)
    return said


def as_32_bits():
    """Make a system call of 32-bit programs, whose numbers the filter does not know."""
    if not X86:
        return "killed by SIGSYS"
    import mmap

    code = b"\xb8\x14\x00\x00\x00\xcd\x80\xc3"  # mov eax, 20 (getpid); int 0x80; ret

    def call():
        page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        page.write(code)
        address = ctypes.addressof(ctypes.c_char.from_buffer(page))
        return f"pid {ctypes.CFUNCTYPE(ctypes.c_int)(address)()}"

    return in_child(call)


def x32():
    return in_child(lambda: system_call(0x40000000 | 39, 172, ())) if X86 else "killed by SIGSYS"


def status():
    lines = dict(line.rstrip("\n").split(":\t", 1) for line in open("/proc/self/status") if ":\t" in line)
    return {
        key: lines[key]
        for key in ("Uid", "Gid", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")
    }


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def every(top, wanted):
    """Yield what is under a folder, on whatever file system, and not in /proc or /sys unless it is they."""
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError:
            continue
        for entry in entries:
            try:
                if entry.is_symlink():
                    continue
                if wanted(entry):
                    yield entry.path
                if entry.is_dir() and entry.path not in ("/proc", "/sys"):
                    waiting.append(entry.path)
            except OSError:
                continue


def writable():
    """Name the topmost folders and files that this user can write."""
    found = []
    for path in every("/", lambda entry: os.access(entry.path, os.W_OK)):
        if not any(path.startswith(one + "/") for one in found):
            found.append(path)
    return sorted(found)


def devices():
    kinds = every(
        "/dev", lambda entry: stat.S_ISBLK(os.lstat(entry.path).st_mode) or stat.S_ISCHR(os.lstat(entry.path).st_mode)
    )
    return sorted(path for path in kinds if not path.startswith("/dev/pts/"))


def unnamed_sockets():
    return [line.split()[-1] for line in open("/proc/net/unix").read().splitlines()[1:] if len(line.split()) > 7]


def interfaces():
    return [line.split(":")[0].strip() for line in open("/proc/net/dev").read().splitlines()[2:]]


def connect(family, address):
    def attempt():
        with socket.socket(family, socket.SOCK_STREAM) as one:
            one.settimeout(3)
            one.connect(address)

    return tried(attempt)


def setuid_program():
    if not os.path.exists("/usr/local/bin/rootid"):
        return "none"
    return subprocess.run(["/usr/local/bin/rootid", "-u"], capture_output=True, text=True).stdout.strip()


def setuid_of_our_own():
    path = "/workspace/own"
    write(path, "x")
    os.chmod(path, 0o6755)
    os.chown(path, 0, 0)


def core():
    os.makedirs("/workspace/core", exist_ok=True)
    subprocess.run([sys.executable, "-c", "import os; os.abort()"], cwd="/workspace/core", stderr=subprocess.DEVNULL)
    return [resource.getrlimit(resource.RLIMIT_CORE), os.listdir("/workspace/core")]


def fill(path, most):
    """Write until nothing more fits; return how many MiB did."""
    written = 0
    try:
        with open(path, "wb") as file:
            while written < most:
                file.write(bytes(1 << 20))
                file.flush()
                written += 1
    except OSError:
        pass
    finally:
        if os.path.exists(path):
            os.unlink(path)
    return written


def kill_first():
    try:
        os.kill(1, signal.SIGKILL)
    except OSError as error:
        return name_of(error.errno)
    time.sleep(0.2)
    return "lives" if os.path.exists("/proc/1/stat") else "gone"


def release_agents():
    return [
        path
        for path in every(
            "/sys/fs/cgroup", lambda entry: entry.name in ("release_agent", "cgroup.procs", "devices.allow")
        )
        if tried(lambda path=path: write(path, "x")) == "ok"
    ]


def tunable():
    return [
        path
        for path in every("/proc/sys", lambda entry: entry.is_file() and os.access(entry.path, os.W_OK))
        if tried(lambda path=path: open(path, "a").close()) == "ok"
    ]


def marks(mark):
    """Look for another sandbox's file and process."""
    found = list(every("/", lambda entry: mark in entry.name))
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if mark in open(f"/proc/{pid}/cmdline").read().replace(sys.argv[-1], "", 1) and int(pid) != os.getpid():
                found.append(pid)
        except OSError:
            continue
    return found


def everything():
    yield "status", status
    yield "writable", writable
    yield "devices", devices
    yield "mknod", lambda: os.mknod("/workspace/device", stat.S_IFBLK | 0o666, os.makedev(8, 0))
    yield (
        "sockets in the file system",
        lambda: list(every("/", lambda entry: stat.S_ISSOCK(os.lstat(entry.path).st_mode))),
    )
    yield "abstract sockets", unnamed_sockets
    yield "docker.sock", lambda: connect(socket.AF_UNIX, "/var/run/docker.sock")
    yield "interfaces", interfaces
    yield "metadata", lambda: connect(socket.AF_INET, ("169.254.169.254", 80))
    yield "gateway", lambda: connect(socket.AF_INET, ("172.17.0.1", 22))
    yield "v6", lambda: connect(socket.AF_INET6, ("fe80::1", 80, 0, 1))
    yield "a name", lambda: "ok" if tried(lambda: socket.gethostbyname("example.org")) == "ok" else "not found"
    yield "setuid program", setuid_program
    yield "setuid of our own", setuid_of_our_own
    yield "setuid to root", lambda: os.setuid(0)
    yield "clone", namespaces_by_clone
    yield "32 bits", as_32_bits
    yield "x32", x32
    yield "sysrq", lambda: write("/proc/sysrq-trigger", "h")
    yield "core_pattern", lambda: write("/proc/sys/kernel/core_pattern", "|/tmp/x")
    yield "oom_score_adj", lambda: write("/proc/self/oom_score_adj", "-1000")
    yield "uevent_helper", lambda: write("/sys/kernel/uevent_helper", "/tmp/x")
    yield "kcore", lambda: open("/proc/kcore", "rb").read(1) and None
    yield "control groups", release_agents
    yield "tunable", tunable
    yield "shadow", lambda: open("/etc/shadow").read() and None
    yield "memory of the kernel", lambda: open("/dev/mem", "rb").read(1) and None
    yield "core", core
    yield "shared memory", lambda: fill("/dev/shm/full", 80)
    yield "run", lambda: write("/run/x", "x")
    yield "other sandbox", lambda: marks(sys.argv[1])
    yield "kill 1", kill_first
    yield (
        "mounts",
        lambda: sorted(line.split()[4] for line in open("/proc/self/mountinfo") if " rw," in line.split(" - ")[0]),
    )
    for name, (x86, arm, arguments) in CALLS.items():
        yield (
            f"call {name}",
            lambda x86=x86, arm=arm, arguments=arguments: in_child(lambda: system_call(x86, arm, arguments)),
        )


if __name__ == "__main__":
    print(json.dumps({name: tried(attempt) for name, attempt in everything()}))
