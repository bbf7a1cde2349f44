"""Checks of a listener: whose deliveries it takes (FACTS 1.4). Those that need a secret are skipped without one."""

from cdrelay.conformance.calls import body_of, named, oddly_spaced, plain_utf8
from cdrelay.conformance.checks import Outcome, check, failed, passed, skipped, warning
from cdrelay.conformance.deliverer import REFUSALS, Deliverer, accepted, refused

_UNSIGNED = "no secret was given, so there is no signature to judge"
_NAME = "Zoë 李雷 📞"


@check(
    "seed: webhook; FACTS 1.3, 1.4, 1.5",
    "A delivery whose signature fits (or, without a secret, a plain one) is answered 2xx.",
)
async def right_signature(side: Deliverer) -> Outcome:
    """The ordinary delivery."""
    answer = await side.deliver_records(side.records())
    if answer.status in REFUSALS:
        return failed(f"{answer}; does the listener expect {'this secret' if side.signs else 'a signature'}?")
    return accepted(answer)


@check("FACTS 1.4", "A delivery signed with another secret is refused with 401 or 403.")
async def wrong_signature(side: Deliverer) -> Outcome:
    """Forty hex digits that do not fit."""
    body = body_of(side.records())
    return refused(await side.deliver_with(body, side.wrong_signature(body))) if side.signs else skipped(_UNSIGNED)


@check("FACTS 1.4; TRAPS 14", "While a secret is set, a delivery without a signature is refused with 401 or 403.")
async def missing_signature(side: Deliverer) -> Outcome:
    """No header at all."""
    return refused(await side.deliver_with(body_of(side.records()), None)) if side.signs else skipped(_UNSIGNED)


@check("FACTS 1.4", "A signature that was made for other bytes is refused with 401 or 403.")
async def signature_of_other_bytes(side: Deliverer) -> Outcome:
    """The right secret, and one blank more in the body than was signed."""
    if not side.signs:
        return skipped(_UNSIGNED)
    body = body_of(side.records())
    return refused(await side.deliver_with(body + b" ", side.signature(body)))


@check(
    "FACTS 1.4; TRAPS 14",
    "The signature is checked over the raw bytes: odd blanks and escapes in the JSON change nothing.",
)
async def oddly_written_json(side: Deliverer) -> Outcome:
    """What no serialiser would write again in the same way."""
    return accepted(await side.deliver(oddly_spaced(side.records())))


@check("FACTS 1.4; TRAPS 14", "A line break at the end of the body is part of what was signed.")
async def trailing_newline(side: Deliverer) -> Outcome:
    """A body that ends in a line break."""
    return accepted(await side.deliver(body_of(side.records()) + b"\n"))


@check("FACTS 1.4; TRAPS 14", "Names in any script are taken, as plain UTF-8 and as JSON escapes.")
async def names_in_utf8(side: Deliverer) -> Outcome:
    """The same name both ways."""
    plain, escapes = named(side.records(), _NAME), named(side.records(), _NAME)
    return accepted(await side.deliver(plain_utf8(plain)), await side.deliver_records(escapes))


@check(
    "FACTS 1.4; TRAPS 14",
    "The signature comes in lower-case hex; a listener may take upper case, too, since it is the same number.",
)
async def upper_case_hex(side: Deliverer) -> Outcome:
    """The provider writes lower case, so a refusal is no failure."""
    body = body_of(side.records())
    signature = side.signature(body)
    if signature is None:
        return skipped(_UNSIGNED)
    answer = await side.deliver_with(body, signature.upper())
    if answer.status in REFUSALS:
        return warning(f"takes lower case only: {answer}")
    return passed(str(answer)) if answer.taken else failed(str(answer))


SIGNATURE_CHECKS = (
    right_signature,
    wrong_signature,
    missing_signature,
    signature_of_other_bytes,
    oddly_written_json,
    trailing_newline,
    names_in_utf8,
    upper_case_hex,
)
