"""`cdrelay collector source …`: where the collector's records come from."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cdrelay.cli.context import context_of
from cdrelay.cli.given_paths import path_option, require_one_stdin
from cdrelay.cli.output import print_json, print_table, secret_given, show, talk
from cdrelay.cli.period import read_moment
from cdrelay.collector.source_settings import FEED_TYPES, KINDS, in_words
from cdrelay.collector.sources import Source, SourceChange, Sources
from cdrelay.contract.times import write_time

app = typer.Typer(
    no_args_is_help=True,
    help="Who delivers: POST /webhooks/NAME, and the endpoints to compare with; or what is pulled.",
)

JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]
NameArgument = Annotated[str, typer.Argument(help="The source's name, as in /webhooks/NAME.", metavar="NAME")]
_SHOWN = "It shows in the process list and the shell's history; prefer the file."
SecretOption = Annotated[str | None, typer.Option("--secret", help=f"Secret of the webhook. {_SHOWN}")]
SecretFileOption = Annotated[Path | None, path_option("--secret-file", help="File with the secret; - is stdin.")]
TokenOption = Annotated[
    str | None,
    typer.Option("--token", help=f"Access token by itself; `cdrelay collector login` gets one that lasts. {_SHOWN}"),
]
TokenFileOption = Annotated[Path | None, path_option("--token-file", help="File with the token; - is stdin.")]
ApiOption = Annotated[
    str | None,
    typer.Option("--api", help="Where the provider's endpoints are, e.g. https://analytics.webexapis.com."),
]
HistoryApiOption = Annotated[
    str | None,
    typer.Option(
        "--history-api", help="The same for cdr_feed and cdr_stream, where they are elsewhere; empty: no more."
    ),
]
FeedTypeOption = Annotated[
    str | None,
    typer.Option(
        "--feed-type", help=f"What the webhook was set to: {' or '.join(filter(None, FEED_TYPES))}; empty: not said."
    ),
]
OrgOption = Annotated[
    str | None,
    typer.Option("--org", help="Pull this customer's records: its UUID or encoded id; else the token's own."),
]
SinceOption = Annotated[
    str | None, typer.Option("--since", help="Pull from this time on, UTC; else as far back as cdr_stream reaches.")
]


def _sources(typer_context: typer.Context) -> Sources:
    return context_of(typer_context).collector().sources


def described(source: Source) -> dict[str, Any]:
    """All that may be shown of a source: no secret, no token."""
    webhook = source.kind == "webhook"
    return {
        "name": source.name,
        "kind": source.kind,
        "path": f"/webhooks/{source.name}" if webhook else None,
        "signed": source.secret is not None if webhook else None,
        "rotating": source.previous_secret is not None if webhook else None,
        "feed_type": source.feed_type or None,
        "api": source.api,
        "history_api": source.history_api,
        "org_uuid": source.org_uuid,
        "pulled_until": source.cursor or None,
        "pulled_at": source.pulled_at,
        "pull_problem": source.pull_problem,
        "token": source.token is not None,
        "token_expires_at": source.token_expires_at,
        "refreshable": source.renewable,
        "refresh_expires_at": source.refresh_expires_at,
        "refreshed_at": source.refreshed_at,
        "token_problem": source.token_problem,
        "token_url": source.token_url,
        "client_id": source.client_id,
        "unreadable": in_words(source.unreadable) or None,
        "created_at": source.created_at,
    }


def _for_people(source: Source) -> dict[str, Any]:
    """What a list of sources shows in a terminal; all of it is in JSON and in `source show`."""
    facts = described(source)
    return {what: facts[what] for what in ("name", "kind", "signed", "api")} | {
        "token until": source.token_expires_at or source.has_token,
        "problem": source.token_problem or source.pull_problem,
    }


@app.command("add")
def add_source(
    typer_context: typer.Context,
    name: NameArgument,
    *,
    kind: Annotated[
        str, typer.Option("--kind", help=f"{' or '.join(KINDS)}: it delivers, or one customer's records are pulled.")
    ] = "webhook",
    secret: SecretOption = None,
    secret_file: SecretFileOption = None,
    api: ApiOption = None,
    history_api: HistoryApiOption = None,
    token: TokenOption = None,
    token_file: TokenFileOption = None,
    feed_type: FeedTypeOption = None,
    org: OrgOption = None,
    since: SinceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take records from a new source. Without a secret, whoever knows its address can deliver."""
    given = _given(secret, secret_file, api, history_api, token, token_file, feed_type, org, since)
    source = _sources(typer_context).add(name, given, kind)
    if source.kind == "webhook" and source.secret is None:
        talk.print(f"[yellow]{name} has no secret[/]: whoever knows its address can deliver records")
    if source.kind == "cdr_stream" and not source.has_token:
        talk.print(f"{name} is pulled once it has a token: `cdrelay collector login {name}`")
    if as_json:
        print_json(described(source))
    elif source.kind == "webhook":
        typer.echo(f"/webhooks/{source.name}")


@app.command("set")
def set_source(
    typer_context: typer.Context,
    name: NameArgument,
    *,
    secret: SecretOption = None,
    secret_file: SecretFileOption = None,
    api: ApiOption = None,
    history_api: HistoryApiOption = None,
    token: TokenOption = None,
    token_file: TokenFileOption = None,
    feed_type: FeedTypeOption = None,
    org: OrgOption = None,
    since: SinceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change what is given of a source; a new secret is valid at once and alone (see rotate-secret).

    It also replaces secrets that cannot be opened with the key that is there, and says which still cannot.
    """
    given = _given(secret, secret_file, api, history_api, token, token_file, feed_type, org, since)
    stored = _sources(typer_context)
    before = stored.get_partly(name)
    source = stored.change(name, given)
    tell_unreadable(before, source)
    _show([source], as_json)


def tell_unreadable(before: Source, after: Source) -> None:
    """Say which secrets that could not be opened are replaced or forgotten now, and which are as they were."""
    gone = [one for one in before.unreadable if one not in after.unreadable]
    replaced = [one for one in gone if getattr(after, one) is not None]
    forgotten = [one for one in gone if one not in replaced]
    for what, names in (("replaced", replaced), ("forgotten", forgotten)):
        if names:
            talk.print(f"could not be opened, and {what}: {', '.join(in_words(names))}", soft_wrap=True)
    if after.unreadable:
        talk.print(
            f"[yellow]still cannot be opened with this secret.key[/]: {', '.join(in_words(after.unreadable))}."
            f" {_what_rests(after)} Put the key back that belongs to them, or replace them too:"
            f" `cdrelay collector source set {after.name}` (secret, token),"
            f" `cdrelay collector login {after.name}` (tokens, client secret)",
            soft_wrap=True,
        )


def _what_rests(source: Source) -> str:
    if "secret" in source.unreadable or "previous_secret" in source.unreadable:
        return "Until then its deliveries are answered 503."
    return "Until then its provider is not asked."


def _given(
    secret: str | None,
    secret_file: Path | None,
    api: str | None,
    history_api: str | None,
    token: str | None,
    token_file: Path | None,
    feed_type: str | None,
    org: str | None,
    since: str | None,
) -> SourceChange:
    require_one_stdin(secret_file=secret_file, token_file=token_file)
    return SourceChange(
        secret=secret_given("secret", secret, secret_file),
        api=api,
        history_api=history_api,
        token=secret_given("token", token, token_file),
        feed_type=feed_type,
        org_id=org,
        cursor=None if since is None else write_time(read_moment("--since", since)),
    )


@app.command("rotate-secret")
def rotate_secret(
    typer_context: typer.Context,
    name: NameArgument,
    secret: SecretOption = None,
    secret_file: SecretFileOption = None,
    finish: Annotated[
        bool, typer.Option("--finish", help="End the rotation: only the newer secret stays valid.")
    ] = False,
) -> None:
    """Give a source a new secret while the present one stays valid; set it at the provider, then --finish."""
    new = secret_given("secret", secret, secret_file)
    if (new is None) != finish:
        raise typer.BadParameter("give the new secret, or --finish once the provider signs with it")
    if new is None:
        _sources(typer_context).end_rotation(name)
        talk.print("only the newer secret is valid now")
    else:
        _sources(typer_context).rotate(name, new)
        talk.print("both secrets are valid now; set the new one at the provider, then run this with --finish")


@app.command("remove")
def remove_source(typer_context: typer.Context, name: NameArgument) -> None:
    """Take no more records from a source and forget its ledger; its records stay."""
    _sources(typer_context).remove(name)
    talk.print(f"{name} is removed; its records stay in the lake")


@app.command("list")
def list_sources(typer_context: typer.Context, as_json: JsonOption = False) -> None:
    """List the sources; secrets and tokens are not shown."""
    stored = _sources(typer_context)
    listed = stored.list()
    for name in sorted(set(stored.names()) - {one.name for one in listed}):
        talk.print(
            f"source {name} has secrets that cannot be opened with this secret.key: `cdrelay collector source show"
            f" {name}` says which, `source set` and `login` replace them",
            soft_wrap=True,
        )
    _show(listed, as_json)


@app.command("show")
def show_source(typer_context: typer.Context, name: NameArgument, as_json: JsonOption = False) -> None:
    """Show all of one source but its secrets: the path to give to the provider, how long its tokens last, problems."""
    facts = described(_sources(typer_context).get_partly(name))
    if as_json:
        print_json(facts)
    else:
        print_table(
            ["what", "is"], [[what.replace("_", " "), text] for what, text in facts.items() if text is not None]
        )


def _show(listed: list[Source] | tuple[Source, ...], as_json: bool) -> None:
    rows = [described(source) if as_json else _for_people(source) for source in listed]
    show(rows, as_json, "there are no sources yet; `cdrelay collector source add NAME` makes one")
