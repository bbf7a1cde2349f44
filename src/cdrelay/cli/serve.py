"""`cdrelay up` and `cdrelay serve`: the server and its loops, until Ctrl-C."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from cdrelay.cli.context import context_of, install_context
from cdrelay.cli.demo import prepare_demo, write_demo_settings
from cdrelay.cli.milestones import Milestones, summary
from cdrelay.cli.output import talk
from cdrelay.clock import SystemClock
from cdrelay.contract.query import in_words
from cdrelay.control.database import DatabaseUnavailable
from cdrelay.errors import CdrelayError
from cdrelay.hub.status import as_json
from cdrelay.serving import Front, OwnTls, Worker, open_socket, run, share_heaps, take_short_turns
from cdrelay.settings import Settings
from cdrelay.traffic import Plan
from cdrelay.wiring import Role, Running, assemble, claim_roles, open_foundation

ALL_ROLES: tuple[Role, ...] = ("publisher", "collector", "hub")
_SUMMARY_EVERY_SECONDS = 30.0

HostOption = Annotated[str | None, typer.Option("--host", help="Address to listen on; else the setting `host`.")]
PortOption = Annotated[int | None, typer.Option("--port", help="Port to listen on; else the setting `port`.")]


def up(
    typer_context: typer.Context,
    demo: Annotated[
        bool, typer.Option("--demo", help="Set up a partner, a source and synthetic calls; not for real data.")
    ] = False,
    compress: Annotated[
        float | None,
        typer.Option(
            min=0.01, max=100_000, help="With --demo: divide the contract's durations by this; 60 makes 5 minutes 5 s."
        ),
    ] = None,
    rate: Annotated[float, typer.Option(min=0.01, max=1_000_000, help="With --demo: records a second.")] = 20.0,
    organizations: Annotated[int, typer.Option(min=1, max=100_000, help="With --demo: customer organizations.")] = 20,
    host: HostOption = None,
    port: PortOption = None,
) -> None:
    """Run all roles in one process on the embedded stores."""
    if compress is not None and not demo:
        raise typer.BadParameter(
            "set `compress` in settings.toml, so that every command agrees", param_hint="--compress"
        )
    home = context_of(typer_context).settings.home
    if demo and write_demo_settings(home, compress or 1.0):
        talk.print(f"[dim]wrote {home / 'settings.toml'}: compressed time, callbacks on this machine")
    settings = install_context(typer_context, home=str(home), host=host, port=port).settings
    if compress is not None and compress != settings.compress:
        raise CdrelayError(
            f"{home / 'settings.toml'} says compress = {settings.compress:g}; use that, or another --home"
        )
    plan = Plan(organizations=organizations, records_per_second=rate, shaped=False, time_scale=settings.compress)
    _run(settings, ALL_ROLES, plan if demo else None)


def serve(
    typer_context: typer.Context,
    roles: Annotated[
        str, typer.Option("--roles", help="Which of publisher, collector, hub; comma separated.")
    ] = ",".join(ALL_ROLES),
    host: HostOption = None,
    port: PortOption = None,
) -> None:
    """Run some of the roles; what `up` runs, split over processes as you wish."""
    chosen = tuple(role for role in ALL_ROLES if role in roles.split(","))
    if not chosen or len(chosen) != len(set(roles.split(","))):
        raise typer.BadParameter(f"choose among {', '.join(ALL_ROLES)}", param_hint="--roles")
    home = context_of(typer_context).settings.home
    _run(install_context(typer_context, home=str(home), host=host, port=port).settings, chosen, None)


def _run(settings: Settings, roles: tuple[Role, ...], demo: Plan | None) -> None:
    front = front_of(settings)
    if demo is not None and front.tls is not None:
        raise CdrelayError("--demo delivers to itself over plain HTTP: take tls_certificate_file out of the settings")
    share_heaps()
    take_short_turns()
    listening = open_socket(settings.host, settings.port)
    address = f"{'http' if front.tls is None else 'https'}://{settings.host}:{listening.getsockname()[1]}"
    foundation = open_foundation(settings)
    try:
        claim_roles(foundation, roles)
        running = assemble(foundation, frozenset(roles))
        workers = list(running.workers)
        if demo is not None:
            workers += [prepare_demo(running, demo, address), _narrator(running)]
        _introduce(settings, roles, address)
        run(running.app, listening, workers, front)
    except KeyboardInterrupt:
        pass
    finally:
        foundation.close()
        listening.close()
    talk.print("stopped; what was acknowledged is on disk, and the next start goes on with it")


def front_of(settings: Settings) -> Front:
    """How the server meets its clients, as set. Raises TlsUnusable."""
    tls = None
    if settings.tls_certificate_file:
        certificate = Path(settings.tls_certificate_file).expanduser()
        tls = OwnTls(certificate, Path(settings.tls_key_file).expanduser() if settings.tls_key_file else certificate)
        if tls.expires_at <= SystemClock().now():
            talk.print(f"[yellow]the certificate in {certificate} expired on {tls.expires_at:%Y-%m-%d}[/]")
    return Front(tls, settings.trusted_proxies, settings.head_seconds)


def _introduce(settings: Settings, roles: tuple[Role, ...], address: str) -> None:
    rules = settings.rules
    talk.print(f"[bold]cdrelay[/] runs {', '.join(roles)}; everything it keeps is in {settings.home}", soft_wrap=True)
    talk.print(f"  page    {address}/", highlight=False)
    talk.print(f"  status  {address}/api/status", highlight=False)
    cut = f"A window of calls is cut every {in_words(rules.tick)}, {in_words(rules.settle)} after its end. "
    talk.print(f"[dim]{cut if 'publisher' in roles else ''}Ctrl-C stops.", highlight=False)


def _narrator(running: Running) -> Worker:
    """Tells on the terminal what happens for the first time, then sums up now and then."""

    async def narrate() -> None:
        milestones, clock = Milestones(), running.foundation.clock
        began = told = clock.now()
        while True:
            await clock.sleep(0.5)
            try:
                status: dict[str, Any] = as_json(await asyncio.to_thread(running.status.read))
            except DatabaseUnavailable:
                continue
            now = clock.now()
            for sentence in milestones.new(status):
                talk.print(
                    f"[green]✓[/] [dim]{(now - began).total_seconds():5.1f} s[/]  {sentence}",
                    highlight=False,
                    soft_wrap=True,
                )
                told = now
            if (now - told).total_seconds() >= _SUMMARY_EVERY_SECONDS:
                talk.print(f"[dim]{now:%H:%M:%S}Z[/] {summary(status)}", highlight=False, soft_wrap=True)
                told = now

    return narrate
