"""`tapline worker`: run the scripts and count."""

from __future__ import annotations

import click

from tapline.commands.state import State


@click.command()
@click.argument("monitors", metavar="[MONITOR]...", nargs=-1)
@click.option("--processes", type=click.IntRange(min=1), help="How many processes (default: workers.processes).")
@click.option(
    "--metrics-port", type=int, help="Port of /metrics; children take the next ones (0: free ones, -1: none)."
)
@click.option("--single", is_flag=True, hidden=True, help="Be one of the supervisor's children.")
@click.pass_obj
def command(
    state: State, monitors: tuple[str, ...], *, processes: int | None, metrics_port: int | None, single: bool
) -> None:
    """Count the traffic and run the scripts, in several processes that are started again if they leave.

    MONITOR is one of the monitor types (sg_monitor, cg_monitor, alert_monitor …), or `agents` for the plain Faust
    agents of workers.agents, which have a process of their own; all when none is named. SIGTERM stops
    them in order.

    \b
    tapline worker
    tapline worker sg_monitor cg_monitor --processes 4 --metrics-port 9620
    """
    if single:
        _work(state, monitors, metrics_port)
    else:
        _supervise(state, monitors, processes, metrics_port)


def _work(state: State, monitors: tuple[str, ...], metrics_port: int | None) -> None:
    from tapline.process.health import Health
    from tapline.process.metrics import MetricsServer
    from workers import main
    from workers.kafka import faust_agents

    configuration = state.configuration
    port = configuration.workers.metrics_port if metrics_port is None else metrics_port
    health = Health()
    with MetricsServer(health, host=configuration.process.metrics_host, port=port):
        if monitors == (faust_agents.NAME,):
            faust_agents.run(configuration.kafka, configuration.workers, health)
        else:
            main.run(configuration.kafka, configuration.workers, monitors, health)


def _supervise(state: State, monitors: tuple[str, ...], processes: int | None, metrics_port: int | None) -> None:
    from tapline.process.health import Health
    from tapline.process.metrics import MetricsServer
    from tapline.process.signals import on_stop_signal
    from tapline.process.supervisor import Supervisor, ourselves
    from topics.admin import verify
    from topics.errors import TaplineError
    from topics.rights import of_worker, require
    from workers.kafka.faust_agents import NAME, agent_files, load_agents
    from workers.scripting.approval import Approval
    from workers.scripting.local_networks import local_networks
    from workers.stages import topics_of

    configuration = state.configuration
    settings = configuration.workers
    port = settings.metrics_port if metrics_port is None else metrics_port
    # What would make every child leave again is said once, here. A broken script does not: the others run.
    named = tuple(monitor for monitor in monitors if monitor != NAME)
    topics_of(named)
    local_networks(tuple(settings.local_networks))
    agents = agent_files(settings.agents) if NAME in monitors or not monitors else []
    load_agents(agents, Approval.of(settings))
    if NAME in monitors and not agents:
        raise TaplineError(f"there are no agents in {', '.join(settings.agents)}: see `tapline scripts new`")
    require(configuration.kafka, "worker", of_worker(configuration.kafka, settings.group))
    verify(configuration.kafka)
    count = (processes or settings.processes) if named or not monitors else 0

    def child(number: int) -> list[str]:
        its_port = port + 1 + number if port > 0 else port
        its_work = named if number < count else (NAME,)
        return ourselves(*state.arguments(), "worker", "--single", "--metrics-port", str(its_port), *its_work)

    health = Health()
    supervisor = Supervisor(child, count + (1 if agents else 0), health=health)
    with MetricsServer(health, host=configuration.process.metrics_host, port=port), on_stop_signal(supervisor.stop):
        supervisor.run()
