"""The demonstration of `cdrelay up --demo`: a partner with customers, a webhook to the collector beside it, calls."""

from datetime import timedelta
from pathlib import Path

from cdrelay.collector.errors import SourceUnknown
from cdrelay.collector.sources import SourceChange, Sources
from cdrelay.control.secrets_at_rest import fresh_token
from cdrelay.publisher.directory.partners import Directory
from cdrelay.publisher.errors import PartnerUnknown
from cdrelay.serving import Worker
from cdrelay.traffic import Plan, Traffic
from cdrelay.traffic.feeding import Feeder
from cdrelay.wiring import Running

NAME = "demo"

SETTINGS = """\
# Written by `cdrelay up --demo`: this home folder belongs to the demonstration.
compress = {compress:g}
allow_http_callbacks = true
allow_callbacks_to_private_addresses = true
reconcile_every_minutes = {reconcile:g}
"""


def write_demo_settings(home: Path, compress: float) -> bool:
    """Give a new home folder the settings of the demonstration, for every command on it; False when it has some."""
    file = home / "settings.toml"
    if file.exists():
        return False
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    # About ten seconds between two reconciliations, whatever the compression.
    file.write_text(SETTINGS.format(compress=compress, reconcile=max(1.0, compress / 6)))
    return True


def prepare_demo(running: Running, plan: Plan, address: str) -> Worker:
    """Set up partner, customers, webhook, token and source where they are missing; returns the worker that makes calls.

    `address` is where this process listens.

    Again is harmless: what is there stays, only the keys are new ones each time.
    """
    publisher, collector, foundation = running.publisher, running.collector, running.foundation
    if publisher is None or collector is None:
        raise ValueError("the demonstration needs both halves in one process")
    traffic = Traffic(plan)
    partner_id = _prepare_partner(publisher.directory, traffic)
    secret = fresh_token("demo")
    publisher.webhooks.set(partner_id, f"{address}/webhooks/{NAME}", secret=secret, replace=True)
    credentials = publisher.directory.credentials
    for old in credentials.tokens(partner_id):
        credentials.revoke_token(old.id)
    for old in credentials.intake_keys():
        if old.label == NAME:
            credentials.revoke_intake_key(old.id)
    token = credentials.create_token(partner_id, NAME, timedelta(days=365))
    _prepare_source(collector.sources, SourceChange(secret=secret, api=address, token=token))
    return Feeder(traffic, address, credentials.create_intake_key(NAME), foundation.clock).run


def _prepare_partner(directory: Directory, traffic: Traffic) -> str:
    try:
        partner = directory.partner(NAME)
    except PartnerUnknown:
        partner = directory.add_partner(NAME)
    there = {one.org_uuid for one in directory.organizations() if partner.id in one.partner_ids}
    for organization in traffic.organizations:
        if organization.uuid not in there:
            directory.add_organization(organization.uuid, organization.name, partner.id)
    return partner.id


def _prepare_source(sources: Sources, change: SourceChange) -> None:
    try:
        sources.get(NAME)
    except SourceUnknown:
        sources.add(NAME, change)
    else:
        sources.change(NAME, change)
