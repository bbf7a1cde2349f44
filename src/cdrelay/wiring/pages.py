"""The pages of the hub that need a sign-in."""

from datetime import timedelta

from fastapi import FastAPI

from cdrelay.callbacks.client import CallbackClient
from cdrelay.hub.oauth.consent_page import consent_router
from cdrelay.hub.oauth.tokens_page import TokensPage, tokens_router
from cdrelay.hub.setup.draft import Drafts
from cdrelay.hub.setup.log_routes import log_router
from cdrelay.hub.setup.parts import SetupParts
from cdrelay.hub.setup.routes import action_router, setup_router
from cdrelay.hub.setup.trial import Trials
from cdrelay.hub.sign_in.form import SignInPage
from cdrelay.hub.sign_in.password_page import password_router
from cdrelay.hub.sign_in.provider_routes import provider_router
from cdrelay.hub.sign_in.refusals import install_refusals
from cdrelay.hub.sign_in.routes import sign_in_router
from cdrelay.hub.sign_in.sessions import SessionLimits, SignIn
from cdrelay.publisher.access.integrations import Integrations
from cdrelay.publisher.api.rate_limit import RateLimit
from cdrelay.publisher.delivery.delivery_log import DeliveryLog
from cdrelay.wiring.access import open_administrators, open_oauth, open_provider
from cdrelay.wiring.delivering import callback_limits, trust_of
from cdrelay.wiring.foundation import Foundation
from cdrelay.wiring.publisher import PublisherParts


def install_pages(app: FastAPI, foundation: Foundation, publisher: PublisherParts) -> None:
    """The pages behind the sign-in: all of them are about the publisher of this process."""
    settings, clock = foundation.settings, foundation.clock
    administrators = open_administrators(foundation)
    limits = SessionLimits(timedelta(minutes=settings.session_idle_minutes), timedelta(hours=settings.session_hours))
    sign_in = SignIn(foundation.database, administrators, clock, limits)
    tries = RateLimit(clock, settings.sign_in_requests_per_minute, timedelta(minutes=1))
    page = SignInPage(sign_in, administrators.policy, tries, offers_provider=bool(settings.oidc_issuer))
    app.include_router(sign_in_router(page))
    app.include_router(password_router(page))
    install_refusals(app, sign_in)
    if page.offers_provider:
        app.include_router(provider_router(page, open_provider(foundation), foundation.secrets, clock))
    integrations, oauth = Integrations(foundation.database, clock), open_oauth(foundation)
    directory = publisher.directory
    app.include_router(consent_router(sign_in, integrations, oauth, directory))
    longest = timedelta(days=settings.access_token_days)
    app.include_router(tokens_router(TokensPage(sign_in, integrations, oauth, directory, clock, longest), sign_in))
    parts = _setup_parts(foundation, publisher, sign_in)
    for router in (action_router(parts), setup_router(parts), log_router(parts)):
        app.include_router(router)


def _setup_parts(foundation: Foundation, publisher: PublisherParts, sign_in: SignIn) -> SetupParts:
    settings, clock, lake = foundation.settings, foundation.clock, publisher.store.lake
    limits, trust = callback_limits(settings), trust_of(settings)
    return SetupParts(
        sign_in=sign_in,
        directory=publisher.directory,
        webhooks=publisher.webhooks,
        drafts=Drafts(foundation.secrets, clock),
        log=DeliveryLog(foundation.database),
        preview=lambda partner_id, period: publisher.entitlement.preview(partner_id, lake.period(period)),
        send_again=publisher.resending.send_again,
        trials=Trials(lambda: CallbackClient(limits, trust=trust), sha256=settings.sign_sha256),
        clock=clock,
        rules=settings.rules,
        send_empty_windows=settings.send_empty_windows,
    )
