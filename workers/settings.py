"""How the workers run."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct, field

LOCAL_NETWORKS: Final = (
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
)
"""Private addresses (RFC 1918), loopback, link-local (RFC 3927, RFC 4291) and unique local ones (RFC 4193)."""


class WorkersSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ``workers:`` block.

    ``group`` names the Kafka consumer group. ``scripts`` are folders of scripts to run, ``agents`` of
    plain Faust agents. Where ``approved_scripts`` names a file with the digests of script files, no others are run;
    with ``approval_key``, the file of an Ed25519 public key (PEM), that list has to be signed by its owner.
    ``params`` maps a script's name to its parameters, below what the policy sets of them. ``policy`` are files with
    the settings of checks and scripts, rules, pools and exclusions; those that are not there say nothing.
    ``node_timeout`` is how many seconds a capture
    node may say nothing before its windows are closed for it; ``stall_timeout`` how many seconds
    records may wait without progress before the process leaves to be started again;
    ``async_threads`` do what scripts give to ``run_async``; a window waits ``async_seconds`` for it at most, and
    a script may ask for ``async_queue`` jobs in one window of a partition;
    ``new_key_hours`` of event time a key of a counter group must not have been seen to be new again;
    ``subnet_prefix_v4`` and ``_v6`` are the prefix lengths of the Subnets group;
    ``local_networks`` (CIDR) are one's own, for ``is_local`` of scripts. A script is suspended when one call of a
    hook takes longer than ``hook_seconds`` (``on_load``: ``load_seconds``) or more than ``script_memory_mb``
    of memory (0: not watched), and when it takes more than ``script_window_seconds`` of one window in a process; an
    alert is raised when all scripts take more than ``scripts_window_seconds`` of a window. What a script prints
    beyond ``script_output_kb`` in a window is left out. The folders are looked at every ``reload_seconds``
    for scripts that have changed (0: never).
    ``metrics_port`` serves ``/metrics``, ``/healthz`` and ``/readyz`` on loopback (0: a free one, -1: none).
    """

    group: str = "tapline-workers"
    processes: int = 2
    scripts: list[str] = field(default_factory=lambda: ["scripts/enabled"])
    agents: list[str] = field(default_factory=lambda: ["scripts/agents"])
    approved_scripts: str = ""
    approval_key: str = ""
    params: dict[str, dict[str, Any]] = field(default_factory=dict)
    policy: list[str] = field(default_factory=lambda: ["policy.yaml"])
    node_timeout: float = 180.0
    stall_timeout: float = 60.0
    commit_interval: float = 0.25
    session_timeout: float = 6.0
    async_threads: int = 4
    async_seconds: float = 20.0
    async_queue: int = 1000
    new_key_hours: float = 4.0
    subnet_prefix_v4: int = 24
    subnet_prefix_v6: int = 64
    local_networks: list[str] = field(default_factory=lambda: list(LOCAL_NETWORKS))
    hook_seconds: float = 5.0
    load_seconds: float = 30.0
    script_memory_mb: int = 512
    script_window_seconds: float = 15.0
    scripts_window_seconds: float = 60.0
    script_output_kb: int = 64
    reload_seconds: float = 1.0
    metrics_port: int = -1
