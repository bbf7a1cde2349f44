"""All checks, in the order in which they are told."""

from collections.abc import Iterator

from cdrelay.doctor import control_database, home, lakes, machine, network, payloads, sources
from cdrelay.doctor.findings import Check, Examined, Finding, examine

ALL: tuple[Check, ...] = (
    machine.versions,
    machine.disk,
    machine.clock,
    home.home_folder,
    home.rights,
    home.key,
    home.settings,
    home.roles,
    home.half_written_files,
    control_database.control_database,
    control_database.schema,
    control_database.removal_by_age,
    control_database.write_access,
    control_database.secrets,
    lakes.lakes,
    payloads.spools,
    payloads.refused,
    payloads.windows,
    payloads.outbox,
    sources.sources,
    sources.record_feeds,
    sources.alarms,
    sources.providers,
    network.certificate,
    network.mail,
)


def examine_all(examined: Examined) -> Iterator[Finding]:
    """Everything there is to look at; of a home that is not there, that."""
    if examined.home.is_dir():
        try:
            yield from examine(examined, ALL)
        finally:
            examined.database.close()
        return
    advice = "start cdrelay, or say where it is with --home or CDRELAY_HOME"
    yield Finding("home folder", "failed", f"there is no folder {examined.home}", advice)
