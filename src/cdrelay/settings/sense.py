"""Whether the values make sense together."""

from ipaddress import ip_network

from cdrelay.settings.values import SettingError, Settings


def require_sense(settings: Settings) -> None:
    """Raises SettingError for values that are right each by itself."""
    if settings.history_max_smallest > settings.history_max_largest:
        raise SettingError("history_max_smallest must be no more than history_max_largest")
    if settings.answer_when not in ("spooled", "committed"):
        raise SettingError(f"answer_when must be spooled or committed, not {settings.answer_when!r}")
    if settings.tls_key_file and not settings.tls_certificate_file:
        raise SettingError('tls_certificate_file must be set when there is a tls_key_file, such as "cdrelay.pem"')
    _require_networks(settings.trusted_proxies)
    if settings.mail_server:
        _require_mail_server(settings)
    _require_alarm_mail(settings)
    try:
        _ = settings.rules
    except ValueError as error:
        raise SettingError(f"compress: {error}; it must divide 5 minutes, such as 1 or 60") from error


def _require_alarm_mail(settings: Settings) -> None:
    if settings.alarm_mail and not settings.mail_server:
        raise SettingError('mail_server must be set when there is an alarm_mail, such as "mail.example.com:587"')
    for address in settings.alarm_mail_addresses:
        if address.count("@") != 1 or not address.isprintable() or " " in address:
            raise SettingError(
                f'alarm_mail must be addresses, such as "ops@example.com, night@example.com", and {address!r} is none'
            )


def _require_networks(trusted_proxies: str) -> None:
    for one in filter(None, map(str.strip, trusted_proxies.split(","))):
        try:
            ip_network(one)
        except ValueError as error:
            raise SettingError(
                f'trusted_proxies must be addresses or networks, such as "127.0.0.1, 10.0.0.0/8", and {one!r} is none'
            ) from error


def _require_mail_server(settings: Settings) -> None:
    host, _, port = settings.mail_server.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) <= 65_535:
        raise SettingError('mail_server must be a host and a port, such as "mail.example.com:587"')
    if "@" not in settings.mail_from:
        raise SettingError('mail_from must be an address when there is a mail_server, such as "cdrelay@example.com"')
    if settings.mail_user and not settings.mail_password:
        raise SettingError("mail_password must be set when there is a mail_user")
