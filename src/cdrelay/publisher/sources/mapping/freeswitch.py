"""FreeSWITCH: one CDR of `mod_json_cdr`, which is one leg, as one call record.

A CDR has `variables` (channel variables, each value as text), and `callflow`, the states of the caller profile, the
newest first. With `encode-values`, which is the module's default, the values of the variables are percent-encoded.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from cdrelay.publisher.sources.derived_ids import derived_id
from cdrelay.publisher.sources.mapping.rows import Row, filled, moment_of, whole
from cdrelay.publisher.sources.origin import Origin
from cdrelay.records.identity import RecordRefused

OUTCOMES = {
    "NORMAL_CLEARING": ("Success", "Normal"),
    "ORIGINATOR_CANCEL": ("Success", "Normal"),
    "LOSE_RACE": ("Success", "Normal"),
    "PICKED_OFF": ("Success", "Normal"),
    "BLIND_TRANSFER": ("Success", "Normal"),
    "ATTENDED_TRANSFER": ("Success", "Normal"),
    "ALLOTTED_TIMEOUT": ("Success", "Normal"),
    "USER_BUSY": ("Success", "UserBusy"),
    "NO_ANSWER": ("Success", "NoAnswer"),
    "NO_USER_RESPONSE": ("Refusal", "NoUserResponse"),
    "CALL_REJECTED": ("Refusal", "CallRejected"),
    "UNALLOCATED_NUMBER": ("Refusal", "UnassignedNumber"),
    "SUBSCRIBER_ABSENT": ("Refusal", "UserAbsent"),
    "USER_NOT_REGISTERED": ("Refusal", "Unreachable"),
    "NORMAL_TEMPORARY_FAILURE": ("Refusal", "TemporarilyUnavailable"),
    "RECOVERY_ON_TIMER_EXPIRE": ("Refusal", "SIP408"),
    "DESTINATION_OUT_OF_ORDER": ("Failure", "DestinationOutOfOrder"),
    "NO_ROUTE_DESTINATION": ("Failure", "NoRouteToDestination"),
    "SERVICE_UNAVAILABLE": ("Failure", "SIP503"),
    "SERVICE_NOT_IMPLEMENTED": ("Failure", "SIP501"),
    "PROTOCOL_ERROR": ("Failure", "ProtocolError"),
}
"""Hangup causes whose meaning is one of the documented outcomes; of others the reason is kept as it is."""

_DIRECTIONS = {"inbound": "ORIGINATING", "outbound": "TERMINATING"}
_CALL_TYPES = {"inbound": "SIP_INBOUND", "local": "SIP_ENTERPRISE"}
# Who hung up, seen from the party at this leg: what the switch received came from it.
_RELEASED = {"recv": "Local", "send": "Remote"}
_TRANSFER = re.compile(r"(\d{9,11}):[^:|]*:(bl_xfer|att_xfer)", re.ASCII)
_NAMELESS = {"Outbound Call", "Inbound Call", "unknown"}


class Leg:
    """A CDR of `mod_json_cdr`, with what the rows of the mapping ask of it. Raises RecordRefused when it is none."""

    def __init__(self, cdr: Mapping[str, Any], origin: Origin) -> None:
        variables = cdr.get("variables")
        if not isinstance(variables, dict):
            raise RecordRefused("variables", "is missing: this is no CDR of mod_json_cdr")
        # Stamps have a blank between day and time, and only encoded values have none.
        encoded = "%20" in str(variables.get("start_stamp", ""))
        self._variables = {key: _text(value, encoded) for key, value in variables.items()}
        self._origin = origin
        callflow = cdr.get("callflow", [])
        states = callflow if isinstance(callflow, list) else [callflow]
        profiles = [state.get("caller_profile") for state in states if isinstance(state, dict)]
        self._profiles = [profile for profile in profiles if isinstance(profile, dict)]
        if not self.uuid:
            raise RecordRefused("variables.uuid", "is missing, and without it the leg cannot be told from others")

    def __getitem__(self, name: str) -> str:
        """A channel variable; empty when it is not set."""
        return self._variables.get(name, "")

    def first(self, *names: str) -> str:
        """The first of the variables that is set."""
        return next((self[name] for name in names if self[name]), "")

    def profile(self, name: str, *, oldest: bool = False) -> str:
        """A value of the caller profile as it was at the end, or else in the beginning; empty when there is none."""
        if not self._profiles:
            return ""
        return str(self._profiles[-1 if oldest else 0].get(name) or "")

    def time(self, name: str) -> datetime | None:
        """A moment from its variables: microseconds, or seconds where there are only those. 0 is none."""
        return moment_of(whole(self[f"{name}_uepoch"]) or 1_000_000 * (whole(self[f"{name}_epoch"]) or 0))

    @cached_property
    def uuid(self) -> str:
        """The leg's own id."""
        return self["uuid"] or self.profile("uuid")

    @property
    def placing(self) -> bool:
        """Whether the leg came in to the switch, so that the party at it placed the call."""
        return self["direction"] == "inbound"

    @property
    def report_id(self) -> str:
        """The same each time."""
        return derived_id("freeswitch", self._origin.name, self.uuid)

    @property
    def org_uuid(self) -> str | None:
        """Whose leg it is."""
        return self._origin.organization(self._variables, self["org_uuid"])

    @property
    def originator(self) -> str:
        """The leg that called for this one; empty on the first leg of a call."""
        for profile in self._profiles:
            originator = profile.get("originator")
            if isinstance(originator, dict):
                callers = originator.get("originator_caller_profiles")
                for caller in callers if isinstance(callers, list) else []:
                    if isinstance(caller, dict) and caller.get("uuid"):
                        return str(caller["uuid"])
        return self["originating_leg_uuid"]

    @property
    def ring_seconds(self) -> int | None:
        """From the first sign of ringing to the answer or the end."""
        began = min(filter(None, (self.time("progress"), self.time("progress_media"))), default=None)
        ended = self.time("answer") or self.time("end")
        if began is None or ended is None:
            return None
        return max(0, int((ended - began).total_seconds()))

    @property
    def call_type(self) -> str:
        """The rating class, where something tells it."""
        if self["conference_name"]:
            return "SIP_MEETING"
        if self.placing and self["sip_gateway"]:
            return "SIP_INBOUND"
        return _CALL_TYPES.get(self["call_direction"], "")

    @property
    def outcome(self) -> tuple[str, str]:
        """Call outcome and its reason."""
        cause = self["hangup_cause"]
        return OUTCOMES.get(cause, ("", cause))

    @property
    def transfer(self) -> tuple[datetime | None, str]:
        """When the leg was last transferred, and how: `bl_xfer`, `att_xfer`, or nothing."""
        found = _TRANSFER.findall(self.first("transfer_history", "transfer_source"))
        if not found:
            return None, ""
        seconds, kind = found[-1]
        return moment_of(int(seconds) * 1_000_000), kind

    @property
    def user(self) -> str:
        """The name of the directory user at this leg; empty when it is no user's."""
        name = self.profile("caller_id_name" if self.placing else "callee_id_name") if self.user_number else ""
        return "" if name in _NAMELESS else name

    @property
    def user_number(self) -> str:
        """The directory user at this leg."""
        return self["user_name"] if self.placing else self["dialed_user"]


def _text(value: Any, encoded: bool) -> str:
    text = "|".join(map(str, value)) if isinstance(value, list) else str(value if value is not None else "")
    return unquote(text) if encoded else text


def _named(name: str) -> str:
    return "" if name in _NAMELESS else name


ROWS: tuple[Row[Leg], ...] = (
    Row("Answer time", "`answer_uepoch`, else `answer_epoch`", lambda leg: leg.time("answer"), "0 means not answered"),
    Row("Answered", "whether `answer_uepoch` is set", lambda leg: leg.time("answer") is not None),
    Row(
        "Direction",
        "`direction`: `inbound` → `ORIGINATING`, `outbound` → `TERMINATING`",
        lambda leg: _DIRECTIONS.get(leg["direction"]),
        "FreeSWITCH speaks from the switch: a leg that comes in is that of who placed the call",
    ),
    Row("Called line ID", "profile `callee_id_name`", lambda leg: _named(leg.profile("callee_id_name"))),
    Row("Call ID", "`sip_call_id`", lambda leg: leg["sip_call_id"]),
    Row("Calling line ID", "profile `caller_id_name`", lambda leg: _named(leg.profile("caller_id_name"))),
    Row("Start time", "`start_uepoch`, else `start_epoch`", lambda leg: leg.time("start")),
    Row(
        "Call type",
        "`conference_name` → `SIP_MEETING`; `sip_gateway` on an inbound leg, or `call_direction` `inbound` → "
        "`SIP_INBOUND`; `call_direction` `local` → `SIP_ENTERPRISE`",
        lambda leg: leg.call_type,
        "`call_direction` is FusionPBX's. National, mobile and so on are not told",
    ),
    Row(
        "Client type",
        "`channel_name` begins with `sofia/` → `SIP`",
        lambda leg: "SIP" if leg["channel_name"].startswith("sofia/") else None,
    ),
    Row("Client version", "`sip_user_agent`", lambda leg: leg["sip_user_agent"], "Inbound legs have it"),
    Row(
        "Correlation ID",
        "`call_uuid`, else the originator's `uuid`, else `uuid`",
        lambda leg: leg["call_uuid"] or leg.originator or leg.uuid,
        "All legs of a call have the first leg's",
    ),
    Row("Duration", "`billsec`", lambda leg: whole(leg["billsec"])),
    Row("Inbound trunk", "`sip_gateway` on inbound legs", lambda leg: leg["sip_gateway"] if leg.placing else None),
    Row(
        "Org UUID",
        "`org_uuid`, else the first rule of the org map that fits, else the organization of the source",
        lambda leg: leg.org_uuid,
    ),
    Row(
        "Outbound trunk",
        "`sip_gateway_name` on outbound legs",
        lambda leg: None if leg.placing else leg["sip_gateway_name"],
    ),
    Row(
        "Redirect reason",
        "`transfer_history`, else `transfer_source`: `bl_xfer` → `Deflection`",
        lambda leg: "Deflection" if leg.transfer[1] == "bl_xfer" else None,
    ),
    Row(
        "Related reason",
        "`transfer_history`, else `transfer_source`: `att_xfer` → `ConsultativeTransfer`; `cc_queue` → `CallQueue`",
        lambda leg: (
            "ConsultativeTransfer" if leg.transfer[1] == "att_xfer" else "CallQueue" if leg["cc_queue"] else None
        ),
    ),
    Row(
        "Report ID",
        "derived: UUID version 5 of the name of the source and `uuid`",
        lambda leg: leg.report_id,
        "The same at each reading",
    ),
    Row("Report time", "as Release time", lambda leg: leg.time("end")),
    Row("User UUID", "`user_uuid`, else `extension_uuid`", lambda leg: leg.first("user_uuid", "extension_uuid")),
    Row("User", "the name of the directory user at this leg", lambda leg: leg.user),
    Row("Called number", "profile `destination_number`", lambda leg: leg.profile("destination_number")),
    Row(
        "Calling number",
        "profile `ani`, else `caller_id_number`",
        lambda leg: leg.profile("ani") or leg.profile("caller_id_number"),
    ),
    Row(
        "Dialed digits",
        "the oldest profile's `destination_number`, on inbound legs without a gateway",
        lambda leg: leg.profile("destination_number", oldest=True) if leg.placing and not leg["sip_gateway"] else None,
    ),
    Row(
        "Releasing party",
        "`sip_hangup_disposition`: `recv_…` → `Local`, `send_…` → `Remote`",
        lambda leg: _RELEASED.get(leg["sip_hangup_disposition"].partition("_")[0]),
    ),
    Row("Redirecting number", "profile `rdnis`", lambda leg: leg.profile("rdnis")),
    Row("Call transfer time", "`transfer_history`, else `transfer_source`", lambda leg: leg.transfer[0]),
    Row("Local call ID", "`uuid`", lambda leg: leg.uuid),
    Row(
        "Remote call ID",
        "`bridge_uuid`, else `last_bridge_to`, `signal_bond`, `originate_signal_bond`, the originator's `uuid`",
        lambda leg: (
            leg.first("bridge_uuid", "last_bridge_to", "signal_bond", "originate_signal_bond") or leg.originator
        ),
    ),
    Row("User number", "`user_name` on inbound legs, `dialed_user` on outbound ones", lambda leg: leg.user_number),
    Row("Call outcome", "`hangup_cause`, by the table below", lambda leg: leg.outcome[0]),
    Row("Call outcome reason", "`hangup_cause`, by the table below", lambda leg: leg.outcome[1]),
    Row(
        "Ring duration",
        "from the earlier of `progress_uepoch` and `progress_media_uepoch` to answer or end, in whole seconds",
        lambda leg: leg.ring_seconds,
    ),
    Row(
        "Answer indicator",
        "whether `answer_uepoch` is set",
        lambda leg: "Yes" if leg.time("answer") is not None else "No",
    ),
    Row("Release time", "`end_uepoch`, else `end_epoch`", lambda leg: leg.time("end")),
    Row("External customer ID", "`accountcode`", lambda leg: leg["accountcode"]),
    Row("Caller ID number", "profile `caller_id_number`", lambda leg: leg.profile("caller_id_number")),
    Row("Queue type", "`cc_queue` is set → `Call Queue`", lambda leg: "Call Queue" if leg["cc_queue"] else None),
    Row(
        "Answered elsewhere",
        "`hangup_cause` `LOSE_RACE` or `PICKED_OFF` on outbound legs → `Yes`",
        lambda leg: "Yes" if not leg.placing and leg["hangup_cause"] in {"LOSE_RACE", "PICKED_OFF"} else None,
    ),
    Row("Hold duration", "`hold_accum_seconds`", lambda leg: whole(leg["hold_accum_seconds"])),
)
"""In wire order. Fields that are not listed are left out: FreeSWITCH does not tell them."""


def freeswitch_records(cdr: Mapping[str, Any], origin: Origin) -> list[dict[str, Any]]:
    """The record of a leg. Raises RecordRefused for what is no CDR of mod_json_cdr; pure, the same each time."""
    return [filled(ROWS, Leg(cdr, origin))]
