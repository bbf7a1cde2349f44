"""What can go wrong in the publisher, named for what happened."""

from cdrelay.errors import CdrelayError


class PublisherError(CdrelayError):
    """The root of the publisher's own errors."""


class PartnerUnknown(PublisherError):
    """No partner has that id or name."""

    def __init__(self, asked: str) -> None:
        super().__init__(f"there is no partner {asked[:100]!r}; `cdrelay publisher partner list` shows them")


class PartnerExists(PublisherError):
    """A partner of that name is there already."""


class OrganizationUnknown(PublisherError):
    """No customer organization has that id."""

    def __init__(self, org_uuid: str) -> None:
        super().__init__(f"there is no organization {org_uuid}; `cdrelay publisher organization add` makes one")


class OrganizationIdRefused(PublisherError):
    """A text that names no organization, neither as a UUID nor encoded."""


class NameRefused(PublisherError):
    """A name or label that is empty or too long."""


class WebhookExists(PublisherError):
    """The partner has its webhook already; the seed allows one per partner organization."""


class WebhookUnknown(PublisherError):
    """The partner has no webhook."""


class WebhookRefused(PublisherError):
    """A resource type or secret that a webhook cannot have; the message says why."""


class CredentialUnknown(PublisherError):
    """No token or key has that id."""


class BodyMissing(PublisherError):
    """The body of a delivery is no longer in the outbox, or is damaged."""


class OutboxUnreadable(PublisherError):
    """A body that is there cannot be read at the moment: no more open files, a disk with a bad moment."""


class OutboxUnwritable(PublisherError):
    """The outbox has no room or cannot be written; what was asked of it did not happen and may be tried again."""


class AdministratorUnknown(PublisherError):
    """No administrator has that id or e-mail address."""


class AdministratorExists(PublisherError):
    """The e-mail address is another administrator's already."""


class AdministratorRefused(PublisherError):
    """An e-mail address, name or assignment that an administrator cannot have; the message says why."""


class PasswordRefused(PublisherError):
    """A password that is too short or too long."""


class SignInRefused(PublisherError):
    """The e-mail address is unknown or the password is wrong: which of the two is not said."""


class LockedOut(PublisherError):
    """Too many sign-ins failed; none succeeds for a while, not even with the right password."""


class EntryRefused(PublisherError):
    """A field of an entry of the directory breaks a rule."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}")
        self.field = field
        self.rule = rule


class EntryConflicts(EntryRefused):
    """A field of an entry does not go together with another field, or with an entry that is there."""


class EntryUnknown(PublisherError):
    """The directory has no such entry of that id."""

    def __init__(self, what: str, entry_id: str) -> None:
        super().__init__(f"there is no {what} {entry_id[:100]!r}")


class RegionRefused(PublisherError):
    """A region or its host that cannot be; the message says what is wrong."""


class DeliveryUnknown(PublisherError):
    """No delivery of the partner has that id."""

    def __init__(self, delivery_id: str) -> None:
        super().__init__(f"there is no delivery {delivery_id[:100]!r}")


class FormRefused(PublisherError):
    """A form that is too large or not one."""


class RecordSourceUnknown(PublisherError):
    """No source of records has that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no source {name[:64]!r}; `cdrelay publisher source list` shows them")


class RecordSourceExists(PublisherError):
    """A source of records of that name is there already."""


class RecordSourceRefused(PublisherError):
    """A name, place, format, token or rule that a source of records cannot have; the message says why."""


class RecordSourceUnreadable(PublisherError):
    """A source of records cannot be read at the moment: a folder that is not there, a provider that does not answer."""


class IntegrationUnknown(PublisherError):
    """No integration has that client id."""


class IntegrationRefused(PublisherError):
    """A name, redirect address or scope that an integration cannot have; the message says why."""


class RedirectRefused(PublisherError):
    """A request for consent whose sender is unknown: it is answered with a page, never with a redirect."""


class OAuthError(PublisherError):
    """An error of RFC 6749: its code, and a description for the developer of the integration."""

    def __init__(self, code: str, description: str) -> None:
        super().__init__(description)
        self.code = code


class RenewedTooOften(OAuthError):
    """A refresh token was used too often lately; it may be used again in `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__("slow_down", "Request rate exceeds threshold: keep the access token for as long as it lasts")
        self.seconds = seconds


class WindowOutOfReach(PublisherError):
    """No window of that time can be sent again: none was cut, or all have left the reach."""
