"""`cdrelay backup` and `cdrelay restore`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from typer.core import TyperGroup

from cdrelay import __version__
from cdrelay.backup.manifest import BackupBroken, Manifest
from cdrelay.backup.reading import verify
from cdrelay.backup.restoring import restore as restore_home
from cdrelay.backup.snapshot import HomeState, home_state
from cdrelay.backup.writing import BackupFolder, Written, tar_file, write_tar
from cdrelay.cli.context import Context, context_of
from cdrelay.cli.given_paths import path_argument, path_option
from cdrelay.cli.output import print_json, talk
from cdrelay.wiring.keeping import halves_to_copy, installation_of


class _TargetFirst(TyperGroup):
    """`cdrelay backup TARGET` is short for `cdrelay backup make TARGET`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["make", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_TargetFirst,
    no_args_is_help=True,
    help="Back up the home folder while it is in use: `cdrelay backup TARGET`; and check a backup.",
)

JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]
SourceArgument = Annotated[
    Path, path_argument(help="A backup: a folder, a tar file, or - for a tar on stdin.", metavar="SOURCE")
]


@app.command("make")
def make(
    typer_context: typer.Context,
    target: Annotated[
        Path,
        path_argument(
            help="A folder, where the next backup copies only what is new; a file ending in .tar; or - for stdout.",
            metavar="TARGET",
        ),
    ],
    without_key: Annotated[
        bool,
        typer.Option("--without-key", help="Leave secret.key out: keep it elsewhere, nothing can be restored without."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Back up the home folder; everything may run meanwhile."""
    context, to_stdout = context_of(typer_context), str(target) == "-"
    if to_stdout and as_json:
        raise typer.BadParameter("the tar goes to stdout, and so would the report", param_hint="--json")
    home = context.settings.home
    if not to_stdout and target.absolute().resolve().is_relative_to(home.resolve()):
        raise typer.BadParameter(
            f"it lies in the home folder {home}; a backup belongs on another disk", param_hint="TARGET"
        )
    if not to_stdout and target.suffix != ".tar" and target.exists() and not target.is_dir():
        raise typer.BadParameter(f"{target} is a file; name a folder, or a file ending in .tar", param_hint="TARGET")
    if not (home / "control.db").exists():
        raise BackupBroken(f"there is nothing to back up: {home} has no control database")
    written = _write(context, target, with_key=not without_key)
    report = _report(target, written)
    if as_json:
        print_json(report)
        return
    talk.print(
        f"{report['files']:,} files, {report['bytes']:,} bytes; {written.copied_files:,} files"
        f" ({written.copied_bytes:,} bytes) were copied, {written.pruned_files:,} old ones removed",
        highlight=False,
    )
    if without_key:
        talk.print(f"without the key: keep a copy of {home / 'secret.key'} elsewhere", soft_wrap=True)


def _write(context: Context, target: Path, *, with_key: bool) -> Written:
    foundation = context.foundation()
    about = Manifest(
        made_by=__version__,
        installation=installation_of(context.settings.home / "secret.key"),
        began_at=foundation.clock.now(),
        with_key=with_key,
        lakes={},
        files=(),
    )
    with _bars() as bars:
        pages = bars.add_task("control database", total=None)
        with home_state(
            context.settings.home,
            halves_to_copy(foundation),
            with_key=with_key,
            reserve_bytes=context.settings.disk_reserve_bytes,
            progress=lambda done, total: bars.update(pages, completed=done, total=total),
        ) as state:
            size = sum((state.folder / path).stat().st_size for path in state.paths())
            files = bars.add_task("files", total=size)
            about = msgspec.structs.replace(about, lakes=state.lakes)
            return _write_to(target, state, about, lambda done: bars.advance(files, done))


def _write_to(target: Path, state: HomeState, about: Manifest, progress: Callable[[int], None]) -> Written:
    if str(target) == "-":
        return write_tar(state, about, sys.stdout.buffer, progress)
    if target.suffix == ".tar":
        with tar_file(target) as stream:
            return write_tar(state, about, stream, progress)
    folder = BackupFolder(target)
    with folder.alone():
        return folder.write(state, about, progress)


@app.command("verify")
def verify_backup(source: SourceArgument, as_json: JsonOption = False) -> None:
    """Read a backup to its end and compare every file with the manifest. Exit status 1 when it is not whole."""
    with _bars() as bars:
        reading = bars.add_task("reading", total=None)
        checked = verify(source, lambda size: bars.advance(reading, size))
    if as_json:
        print_json(_about(checked.manifest) | {"problems": checked.problems})
    else:
        for problem in checked.problems:
            typer.echo(problem)
        said = f"{len(checked.problems):,} problems" if checked.problems else "it is whole"
        talk.print(f"{len(checked.manifest.files):,} files of {checked.manifest.began_at:%Y-%m-%d %H:%M} UTC: {said}")
    if checked.problems:
        raise typer.Exit(1)


def restore(
    source: SourceArgument,
    home: Annotated[Path, path_option("--home", help="The new home folder: empty, or not there yet.")],
    key_file: Annotated[
        Path | None, path_option("--key-file", help="The secret.key of the home, where the backup is without it.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a new home folder out of a backup; nothing is started."""
    with _bars() as bars:
        copying = bars.add_task("restoring", total=None)
        manifest = restore_home(
            source, home.absolute(), installation_of, key_file, lambda size: bars.advance(copying, size)
        )
    if as_json:
        print_json({"home": str(home)} | _about(manifest))
        return
    talk.print(
        f"{len(manifest.files):,} files are in {home}. Check it with `cdrelay --home {home} doctor`, and do not start"
        " it while the old home still runs. Erasures of persons since the backup must be done again.",
        highlight=False,
        soft_wrap=True,
    )


def _bars() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    return Progress(*columns, console=talk, transient=True, disable=not talk.is_terminal)


def _report(target: Path, written: Written) -> dict[str, Any]:
    numbers = {name: getattr(written, name) for name in ("copied_files", "copied_bytes", "pruned_files")}
    return {"target": str(target)} | _about(written.manifest) | numbers


def _about(manifest: Manifest) -> dict[str, Any]:
    return {
        "began_at": manifest.began_at.isoformat(),
        "made_by": manifest.made_by,
        "with_key": manifest.with_key,
        "files": len(manifest.files),
        "bytes": manifest.size,
        "lakes": msgspec.to_builtins(manifest.lakes),
    }
