"""The control database: whole, of this version, not locked; and the secrets in it."""

from collections.abc import Iterator

from sqlalchemy import inspect, select

from cdrelay.control.clock_seen import ADVICE, in_words, unbelieved_leap
from cdrelay.control.database import DatabaseUnavailable, known_versions
from cdrelay.control.sealed import sealed_secrets
from cdrelay.control.secrets_at_rest import SecretUnreadable
from cdrelay.control.tables import clock_seen, partners, webhooks
from cdrelay.doctor.findings import Examined, Finding, some

_BACKUP = "docs/backup.md"
_LARGE_LOG = 256 * 2**20


def control_database(examined: Examined) -> Iterator[Finding]:
    """Whether it is whole. Reads all of it."""
    check, path = "control database", examined.home / "control.db"
    if not path.exists() and not (examined.halves() or (examined.home / "secret.key").exists()):
        advice = "start cdrelay, or say where the home is with --home or CDRELAY_HOME"
        yield Finding(check, "warning", f"nothing was ever kept in {examined.home}", advice)
        return
    if not path.exists():
        what = f"{path} is gone" if (examined.home / "secret.key").exists() else f"there is none in {examined.home} yet"
        yield Finding(check, "failed", what, "put it back from a backup, with nothing running", _BACKUP)
        return
    try:
        with examined.database.read() as connection:
            said = connection.exec_driver_sql("PRAGMA integrity_check(10)").scalars().all()
            astray = len(connection.exec_driver_sql("PRAGMA foreign_key_check").all())
    except DatabaseUnavailable as error:
        yield Finding(check, "failed", str(error), "put it back from a backup, with nothing running", _BACKUP)
        return
    if said != ["ok"] or astray:
        what = f"it is damaged: {len(said) if said != ['ok'] else astray} problems"
        yield Finding(check, "failed", what, "stop cdrelay and put it back from a backup", _BACKUP)
    else:
        yield Finding(check, "ok", f"whole, {path.stat().st_size // 1000:,} kB")


def schema(examined: Examined) -> Iterator[Finding]:
    """Whether it is of this version."""
    if not (examined.home / "control.db").exists():
        return
    present, *older = known_versions()
    with examined.database.read() as connection:
        there = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    if there == present:
        yield Finding("schema", "ok", f"version {there}")
    elif there in older:
        what = f"the control database has version {there}, older than this program"
        yield Finding(
            "schema", "warning", what, "make a backup; the next start or command brings it up to date", _BACKUP
        )
    else:
        what = f"the control database has version {there}, which this program does not know"
        yield Finding("schema", "failed", what, "install the newer version of cdrelay that has written it")


def removal_by_age(examined: Examined) -> Iterator[Finding]:
    """Whether it waits for a clock that leapt ahead."""
    if not (examined.home / "control.db").exists():
        return
    with examined.database.read() as connection:
        if not inspect(connection).has_table(clock_seen.name):
            return  # of an older version; the schema says so
    if (leap := unbelieved_leap(examined.database)) is None:
        yield Finding("removal by age", "ok", "the clock is believed")
    elif examined.clock.now() < leap.until:
        advice = f"set the clock, or, if it is right: {ADVICE}"
        yield Finding("removal by age", "warning", in_words(leap), advice, "docs/operations/clock-ahead.md")
    else:
        yield Finding("removal by age", "ok", "goes on with the next upkeep")


def write_access(examined: Examined) -> Iterator[Finding]:
    """Whether it can be written now, and whether its log is emptied."""
    if not (examined.home / "control.db").exists():
        return
    try:
        with examined.database.write():
            pass
    except DatabaseUnavailable as error:
        if "locked" not in str(error):
            raise
        what = "another program holds the control database; nothing can be written"
        advice = "end it: `fuser control.db` in the home folder names it"
        yield Finding("write access", "failed", what, advice, "docs/operations/spool-grows.md")
        return
    log = examined.home / "control.db-wal"
    size = log.stat().st_size if log.exists() else 0
    if size > _LARGE_LOG:
        what = f"the log beside the control database has {size // 10**6:,} MB: something reads without an end"
        yield Finding("write access", "warning", what, "end the other program, or restart cdrelay")
    else:
        yield Finding("write access", "ok", "it can be written")


def secrets(examined: Examined) -> Iterator[Finding]:
    """Whether the key opens every secret."""
    box = examined.secrets()
    if box is None or not (examined.home / "control.db").exists():
        return
    opened, closed, unsent = 0, [], []
    with examined.database.read() as connection:
        stored = list(sealed_secrets(connection))
        signed = select(partners.c.name, webhooks.c.secret).join(webhooks, webhooks.c.partner_id == partners.c.id)
        secrets_of = {row.secret: row.name for row in connection.execute(signed) if row.secret is not None}
    for column, sealed in stored:
        try:
            box.open(sealed)
            opened += 1
        except SecretUnreadable:
            closed.append(column)
            if sealed in secrets_of:
                unsent.append(secrets_of[sealed])
    if unsent:
        what = f"nothing is sent to {some(sorted(unsent))}: the key does not open the webhook's secret"
        advice = "put back the secret.key that belongs here, or `cdrelay publisher webhook set … --replace`"
        yield Finding("secrets", "failed", what, advice, "docs/operations/deliveries-fail.md")
    if closed:
        what = f"the key does not open {len(closed)} secrets: {some(sorted(set(closed)))}"
        advice = "put back the secret.key that belongs to this control database, or set these secrets anew"
        yield Finding("secrets", "failed", what, advice, _BACKUP)
    else:
        yield Finding("secrets", "ok", f"the key opens all {opened}")
