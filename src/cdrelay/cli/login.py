"""`cdrelay collector login`: the first tokens of a source."""

import asyncio
import os
import re
import sys
import webbrowser
from collections.abc import Awaitable
from typing import Annotated

import typer

from cdrelay import wiring
from cdrelay.cli.collector_sources import JsonOption, NameArgument, described, tell_unreadable
from cdrelay.cli.context import context_of
from cdrelay.cli.organizations import whole_organization
from cdrelay.cli.output import print_json, talk
from cdrelay.collector.login import Login, redirect_uri
from cdrelay.collector.sources import Source, SourceChange, Sources
from cdrelay.collector.token_exchange import TokenClient
from cdrelay.contract.addresses import AddressRefused, checked_address

_SECRET, _ACCESS, _REFRESH, _BEARER = (
    "WEBEX_CLIENT_SECRET",
    "WEBEX_ACCESS_TOKEN",
    "WEBEX_REFRESH_TOKEN",
    "WEBEX_APPLICATIONS_TOKEN",
)
_APPLICATION = re.compile(r"[A-Za-z0-9_=-]{1,200}", re.ASCII)

ClientIdOption = Annotated[
    str | None, typer.Option("--client-id", help="Of the integration or service app; else that of the login before.")
]
PortOption = Annotated[
    int,
    typer.Option(
        "--redirect-port",
        min=1,
        max=65_535,
        help="Where to wait for the browser; register http://127.0.0.1:PORT/callback at the provider.",
    ),
]


def login(
    typer_context: typer.Context,
    name: NameArgument,
    *,
    client_id: ClientIdOption = None,
    redirect_port: PortOption = 8011,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the browser, not only print the address.")] = False,
    scope: Annotated[
        str, typer.Option("--scope", help="What to ask consent for, separated by blanks.")
    ] = "spark-admin:calling_cdr_read",
    wait_seconds: Annotated[
        float, typer.Option("--wait-seconds", min=1, help="Seconds to wait for the browser.")
    ] = 300,
    paste: Annotated[bool, typer.Option("--paste", help="Ask for tokens that you have already.")] = False,
    service_app: Annotated[
        str | None,
        typer.Option("--service-app", help="Tokens of the service app of this id.", metavar="APPLICATION_ID"),
    ] = None,
    target_org: Annotated[
        str | None, typer.Option("--target-org", help="Which organization has authorised it.", metavar="ORG")
    ] = None,
    authorize_url: Annotated[
        str, typer.Option("--authorize-url", help="Where a person consents.")
    ] = "https://webexapis.com/v1/authorize",
    token_url: Annotated[
        str | None, typer.Option("--token-url", help="Where tokens are given; else as before, else the provider's.")
    ] = None,
    applications_url: Annotated[
        str, typer.Option("--applications-url", help="Where service apps get theirs.")
    ] = "https://webexapis.com/v1/applications",
    as_json: JsonOption = False,
) -> None:
    """Get the tokens of a source: by consent in a browser, or pasted, or those of a service app.

    Secrets are asked for, or read from stdin, one a line in the order they are asked for, or from the environment:
    WEBEX_CLIENT_SECRET, WEBEX_ACCESS_TOKEN, WEBEX_REFRESH_TOKEN, WEBEX_APPLICATIONS_TOKEN.
    """
    context = context_of(typer_context)
    sources = context.collector().sources
    before = source = sources.get_partly(name)
    if paste and service_app:
        raise typer.BadParameter("choose --paste or --service-app")
    if (service_app is None) != (target_org is None):
        raise typer.BadParameter("--service-app and --target-org go together")
    work = Login(context.collector().tokens, wiring.open_token_exchange(context.foundation()))
    if paste:
        source = _by_paste(work, sources, source, client_id, token_url)
    else:
        client = _client(source, client_id, token_url)
        if service_app and target_org:
            source = _by_service_app(work, name, client, applications_url, service_app, target_org)
        else:
            asked_at = _address(authorize_url, "--authorize-url")
            talk.print(
                f"redirect address, to be registered at the provider: {redirect_uri(redirect_port)}", soft_wrap=True
            )
            source = _run(
                work.by_consent(
                    name,
                    client,
                    authorize_url=asked_at,
                    scope=scope,
                    port=redirect_port,
                    wait_seconds=wait_seconds,
                    show=_opened if open_browser else _printed,
                )
            )
    tell_unreadable(before, source)
    _tell(source, as_json)


def _by_paste(work: Login, sources: Sources, source: Source, client_id: str | None, token_url: str | None) -> Source:
    access_token = _asked("Access token", _ACCESS)
    refresh_token = _asked("Refresh token (empty: there is none)", _REFRESH)
    if refresh_token:
        return _run(work.by_paste(source.name, _client(source, client_id, token_url), refresh_token))
    return sources.change(source.name, SourceChange(token=access_token))


def _by_service_app(
    work: Login, name: str, client: TokenClient, applications_url: str, application_id: str, target_org: str
) -> Source:
    if not _APPLICATION.fullmatch(application_id):
        raise typer.BadParameter("an application id has letters, digits, - and _ only", param_hint="--service-app")
    org_uuid = whole_organization(target_org, "--target-org")
    bearer = _required("Access token with the scope spark:applications_token", _BEARER)
    return _run(
        work.by_service_app(
            name,
            client,
            applications_url=_address(applications_url, "--applications-url"),
            application_id=application_id,
            target_org=org_uuid,
            bearer=bearer,
        )
    )


def _client(source: Source, client_id: str | None, token_url: str | None) -> TokenClient:
    """Who asks: as given, else as before."""
    address = token_url or source.token_url or "https://webexapis.com/v1/access_token"
    readable = "client_secret" not in source.unreadable
    known = source.client_secret if readable and client_id in (None, source.client_id) else None
    client_id = client_id or source.client_id
    if client_id is None:
        raise typer.BadParameter(
            "the id of the integration or service app is needed, as its provider shows it; later logins know it",
            param_hint="--client-id",
        )
    secret = known if known and _SECRET not in os.environ else _required("Client secret", _SECRET)
    return TokenClient(token_url=_address(address, "--token-url"), client_id=client_id, client_secret=secret)


def _address(text: str, option: str) -> str:
    try:
        return checked_address(text, option.removeprefix("--"))
    except AddressRefused as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def _required(what: str, variable: str) -> str:
    text = _asked(what, variable)
    if not text:
        raise typer.BadParameter(f"{what.lower()}: nothing was given; type it, or give it on stdin or as {variable}")
    return text


def _asked(what: str, variable: str) -> str:
    """A secret, from the environment, the terminal without echo, or the next line of stdin; never an argument."""
    text = os.environ.get(variable)
    if text is None and sys.stdin.isatty():
        text = typer.prompt(what, default="", hide_input=True, show_default=False, err=True)
    text = sys.stdin.readline() if text is None else text
    text = text.strip()
    if not all("!" <= letter <= "~" for letter in text):
        raise typer.BadParameter(f"{what.lower()}: it has blanks, or letters that none has")
    return text


def _printed(address: str) -> None:
    talk.print("open this address in a browser, as an administrator of the provider's organization:", soft_wrap=True)
    typer.echo(address)


def _opened(address: str) -> None:
    _printed(address)
    webbrowser.open(address)


def _run(work: "Awaitable[Source]") -> Source:
    async def run() -> Source:
        return await work

    return asyncio.run(run())


def _tell(source: Source, as_json: bool) -> None:
    if as_json:
        print_json(described(source))
        return
    until = (
        "for an unknown time" if source.token_expires_at is None else f"until {source.token_expires_at:%Y-%m-%d %H:%M}Z"
    )
    talk.print(f"{source.name} has an access token, {until}", highlight=False)
    if source.renewable:
        talk.print("it is refreshed by `cdrelay serve` before it ends")
    else:
        talk.print("[yellow]it cannot be refreshed[/]: give another before it ends", soft_wrap=True)
