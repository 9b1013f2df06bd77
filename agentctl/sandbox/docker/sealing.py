"""What a container is made with, and whether it came out so.

The rules are those of the CIS benchmark for Docker, and more. Where they could be stricter, work that
people do in a container stands against it:

* The root file system can be written. What a session has installed and built is in the container's
  own layer, which a checkpoint keeps, and which holds more than memory does. The agent's user can
  write nothing there but its folders and those that everybody can write.
* The workspace, the home and the temporary folder are in that layer too, and not in memory; their
  size is watched from outside (``disk``). ``nosuid`` would add nothing to ``no-new-privileges``.
* 16,384 open files for one process, which build tools, databases and language servers come near;
  the kernel's memory for them counts towards the container's.
* Standard input is open: it is the pipe. The log driver is ``none``, of which nothing can be filled.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import docker.types
from docker.api import APIClient

from agentctl.canonical import JsonObject
from agentctl.definitions.environment import EnvironmentConfig, Resources
from agentctl.sandbox.docker.daemon import Engine
from agentctl.sandbox.docker.recipe import HOME, USER
from agentctl.sandbox.mounts import Bind
from agentctl.sandbox.pipe.program import BOOTSTRAP, PYTHON
from agentctl.sandbox.seccomp import docker_profile

DEFAULT_MEMORY = 2 << 30
DEFAULT_CPUS = 2.0
DEFAULT_PIDS = 256

ROOT_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETGID", "SETUID")
"""What root inside has: the least with which apt-get installs packages."""

_HIDDEN = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kallsyms",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/modules",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/kernel/debug",
    "/sys/kernel/security",
)
"""What tells of the machine or of its other users, and nothing inside needs."""

_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

_NEVER = (
    "AutoRemove",
    "Binds",
    "CapAdd",
    "CgroupParent",
    "DeviceCgroupRules",
    "DeviceRequests",
    "Devices",
    "Dns",
    "ExtraHosts",
    "GroupAdd",
    "Links",
    "Mounts",
    "OomKillDisable",
    "PidMode",
    "PortBindings",
    "Privileged",
    "PublishAllPorts",
    "ReadonlyRootfs",
    "StorageOpt",
    "Sysctls",
    "UTSMode",
    "UsernsMode",
    "VolumesFrom",
)
"""What a container does not have unless it was asked for."""


def home_of(user: str) -> str:
    """Return the home of whom the agent's programs run as: ``agent`` or ``root``."""
    return "/root" if user == "root" else HOME


def container_body(
    client: APIClient,
    config: EnvironmentConfig,
    image: str,
    labels: Mapping[str, str],
    engine: Engine,
    binds: Sequence[Bind],
) -> JsonObject:
    """Return all that is sent to make a container from the image with that id, as Docker's API writes it."""
    as_root = config.user == "root"
    body: JsonObject = client.create_container_config(
        image,
        command=[],
        entrypoint=[*PYTHON, BOOTSTRAP],
        user="0:0" if as_root else f"{USER}:{USER}",
        hostname="sandbox",
        working_dir="/",
        environment=[f"HOME={home_of(config.user)}", "LANG=C.UTF-8"],
        labels=dict(labels),
        stdin_open=True,
        detach=True,  # else its standard input would end with the first who attaches
        tty=False,
        healthcheck=docker.types.Healthcheck(test=["NONE"]),
        host_config=host_options(client, config.resources, engine, binds, as_root=as_root),
    )
    return body


def host_options(
    client: APIClient, resources: Resources, engine: Engine, binds: Sequence[Bind] = (), *, as_root: bool = False
) -> docker.types.HostConfig:
    """Return the options that keep a container to itself, as Docker's API writes them."""
    memory = resources.memory or DEFAULT_MEMORY
    options = client.create_host_config(
        network_mode="none",
        cap_drop=["ALL"],
        cap_add=list(ROOT_CAPABILITIES) if as_root else None,
        security_opt=["no-new-privileges:true", f"seccomp={docker_profile()}"],
        init=True,
        ipc_mode="private",
        cgroupns="private",
        mem_limit=memory,
        memswap_limit=memory if engine.limits_swap else None,
        mem_swappiness=0 if engine.has_swappiness else None,
        nano_cpus=int(min(resources.cpus or DEFAULT_CPUS, engine.cpus) * 1e9),
        pids_limit=resources.pids or DEFAULT_PIDS,
        oom_score_adj=500,
        shm_size=64 << 20,
        tmpfs={"/run": "rw,nosuid,nodev,noexec,size=16m,nr_inodes=4k,mode=755"},
        ulimits=[
            docker.types.Ulimit(name="core", soft=0, hard=0),
            docker.types.Ulimit(name="nofile", soft=1_024, hard=16_384),
        ],
        log_config=docker.types.LogConfig(type=docker.types.LogConfig.types.NONE),
        restart_policy={"Name": "no"},
        mounts=[_mount(bind) for bind in binds],
    )
    options |= {"MaskedPaths": list(_HIDDEN), "ReadonlyPaths": list(_READ_ONLY)}
    return options


def _mount(bind: Bind) -> docker.types.Mount:
    mount = docker.types.Mount(
        target=bind.target, source=bind.source, type="bind", read_only=True, propagation="rprivate"
    )
    # File systems that are mounted beneath it would stay writable, so they are left out.
    mount["BindOptions"]["NonRecursive"] = True
    return mount


def differences(asked: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Name what of a container, as ``inspect`` shows it, is not as it was asked for.

    ``asked`` holds what was sent to make it, ``HostConfig`` included.
    """
    host, had = asked["HostConfig"], found["HostConfig"]
    wrong = [name for name in host if not _same(name, host[name], had.get(name))]
    wrong += [name for name in _NEVER if name not in host and had.get(name)]
    config = found["Config"]
    wrong += [name for name in _OWN if not _same(name, asked.get(name), config.get(name))]
    wrong += [name for name in ("Env", "Labels") if not _holds(config.get(name), asked[name])]
    if found["Image"] != asked["Image"]:
        wrong.append("Image")
    if set(found["NetworkSettings"]["Networks"] or {}) - {"none"}:
        wrong.append("Networks")
    return wrong + _strange_mounts(found, {mount["Target"] for mount in host.get("Mounts") or ()})


_OWN = ("User", "Hostname", "WorkingDir", "Entrypoint", "Cmd", "Tty", "OpenStdin", "StdinOnce", "Healthcheck")


def _same(name: str, asked: Any, found: Any) -> bool:
    """Compare, knowing how the daemon writes things: empty ones, defaults of its own, capabilities."""
    if name == "Ulimits":  # the daemon may have limits of its own, beside these
        return all(one in (found or ()) for one in asked)
    if name in ("CapAdd", "CapDrop", "SecurityOpt"):
        return _spelt(asked or ()) == _spelt(found or ())
    if isinstance(asked, dict) and isinstance(found, dict):
        return all(_same("", asked.get(key), found.get(key)) for key in asked.keys() | found.keys())
    if isinstance(asked, list) and isinstance(found, list):
        return len(asked) == len(found) and all(_same("", *pair) for pair in zip(asked, found, strict=True))
    return bool(asked == found) or (not asked and not found)


def _spelt(words: Iterable[str]) -> set[str]:
    return {word.removeprefix("CAP_").replace("no-new-privileges=", "no-new-privileges:") for word in words}


def _holds(found: Any, asked: Any) -> bool:
    if isinstance(asked, dict):
        return asked.items() <= (found or {}).items()
    return set(asked) <= set(found or ())


def _strange_mounts(found: Mapping[str, Any], targets: set[str]) -> list[str]:
    """Name the mounts that nobody asked for; volumes of its own the image may have declared."""
    declared = found["Config"].get("Volumes") or {}
    strange = []
    for mount in found.get("Mounts") or ():
        place, is_bind = mount["Destination"], mount["Type"] == "bind"
        known = (is_bind and place in targets and not mount["RW"]) or (mount["Type"] == "volume" and place in declared)
        if not known and mount["Type"] != "tmpfs":
            strange.append(f"a mount at {place}")
    return strange
