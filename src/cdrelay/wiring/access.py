"""Who may sign in, and the tokens that follow."""

from datetime import timedelta

from cdrelay.hub.sign_in.provider import Provider, ProviderSettings
from cdrelay.publisher.access.administrators import Administrators, SignInPolicy
from cdrelay.publisher.access.oauth import OAuth, TokenLifetimes
from cdrelay.publisher.api.rate_limit import RateLimit
from cdrelay.settings import SettingError
from cdrelay.wiring.delivering import trust_of
from cdrelay.wiring.foundation import Foundation


def open_administrators(foundation: Foundation) -> Administrators:
    """Who may sign in at the hub."""
    settings = foundation.settings
    policy = SignInPolicy(settings.sign_in_failures, timedelta(minutes=settings.sign_in_lock_minutes))
    return Administrators(foundation.database, foundation.clock, policy, foundation.hasher)


def open_oauth(foundation: Foundation) -> OAuth:
    """Consents and the tokens that follow from them."""
    settings = foundation.settings
    access, refresh = (timedelta(days=days) for days in (settings.access_token_days, settings.refresh_token_days))
    renewals = RateLimit(foundation.clock, settings.token_renewals_per_hour, timedelta(hours=1))
    lifetimes = TokenLifetimes(access, refresh)
    return OAuth(foundation.database, foundation.clock, lifetimes, renewals.seconds_to_wait)


def open_provider(foundation: Foundation) -> Provider:
    """The company's OpenID Connect provider. Raises SettingError."""
    settings = foundation.settings
    if not (settings.oidc_client_id and settings.oidc_client_secret):
        raise SettingError("oidc_issuer: oidc_client_id and oidc_client_secret go with it")
    own = ProviderSettings(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        client_secret=settings.oidc_client_secret,
        allow_http=settings.allow_http_callbacks,
        trust=trust_of(settings),
    )
    return Provider(own, foundation.clock)
