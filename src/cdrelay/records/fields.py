"""The fields of a detailed call record: the one table that columns, JSON names, labels and documents come from.

The order is that of the wire. Names are spelled as captured records spell them (FACTS section 4); any other spelling
is folded onto them by `fold`.
"""

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache


class Kind(Enum):
    """What a value means; each kind has one type in the lake (see `cdrelay.lake.schema`) and one text form."""

    TEXT = "text"
    UUID = "uuid"
    """36 characters, lower case, with dashes."""
    TIMESTAMP = "timestamp"
    """A moment in UTC; on the wire ISO 8601 with milliseconds and Z."""
    BOOLEAN = "boolean"
    """On the wire the text `true` or `false`."""
    INTEGER = "integer"
    """64 bits with a sign."""
    NUMBER = "number"
    """A double."""


@dataclass(frozen=True, slots=True)
class Field:
    """One documented field of a call record."""

    name: str
    """The key on the wire, to the letter."""
    column: str
    """The name in the lake."""
    kind: Kind
    description: str
    unit: str | None = None
    wire_number: bool = False
    """Whether the wire carries a JSON number; all others are text."""
    leg: str = "both"
    """The Direction whose records carry it."""
    na_is_value: bool = False
    """Whether `NA` is a value here (Namibia, a documented merge status) and not the mark of a gap."""
    values: tuple[str, ...] = ()
    """Documented values; new ones may come at any time and are kept."""
    example: str = ""


def fold(key: str) -> str:
    """The part of a key that counts: letters and digits in lower case, so that `reportId` meets `Report ID`."""
    return "".join(c for c in key.lower() if c.isalnum())


FIELDS: tuple[Field, ...] = (
    Field(
        "Answer time",
        "answer_time",
        Kind.TIMESTAMP,
        "Moment this leg was answered; empty on legs nobody answered.",
        example="2026-03-02T14:03:05.210Z",
    ),
    Field(
        "Answered",
        "answered",
        Kind.BOOLEAN,
        "Whether this leg was answered, sent as text rather than a JSON boolean.",
        example="true",
    ),
    Field(
        "Direction",
        "direction",
        Kind.TEXT,
        "Side of the call this record describes: the placing side or the receiving side.",
        values=("ORIGINATING", "TERMINATING"),
        example="ORIGINATING",
    ),
    Field(
        "Called line ID",
        "called_line_id",
        Kind.TEXT,
        "Caller-ID name of the user on inbound legs, of the called party on outbound legs.",
        example="Alice Reed",
    ),
    Field(
        "Call ID",
        "call_id",
        Kind.TEXT,
        "SIP Call-ID of the leg, useful when opening a support case.",
        example="SSE1101163211405201218829100@10.177.4.29",
    ),
    Field(
        "Calling line ID",
        "calling_line_id",
        Kind.TEXT,
        "Caller-ID name of the calling party on inbound legs, of the user on outbound legs.",
        example="Bob Stone",
    ),
    Field(
        "Start time",
        "start_time",
        Kind.TIMESTAMP,
        "Moment the leg began; answering may come slightly later.",
        example="2026-03-02T14:03:01.004Z",
    ),
    Field(
        "Call type",
        "call_type",
        Kind.TEXT,
        "Rating class of the call, such as internal, national, international, inbound or emergency.",
        values=(
            "SIP_MEETING",
            "SIP_INTERNATIONAL",
            "SIP_SHORTCODE",
            "SIP_INBOUND",
            "UNKNOWN",
            "SIP_EMERGENCY",
            "SIP_PREMIUM",
            "SIP_ENTERPRISE",
            "SIP_TOLLFREE",
            "SIP_NATIONAL",
            "SIP_MOBILE",
        ),
        example="SIP_NATIONAL",
    ),
    Field(
        "Client type",
        "client_type",
        Kind.TEXT,
        "Kind of endpoint used by the user this record belongs to.",
        values=("SIP", "WXC_CLIENT", "WXC_THIRD_PARTY", "TEAMS_WXC_CLIENT", "WXC_DEVICE", "WXC_SIP_GW"),
        example="WXC_DEVICE",
    ),
    Field(
        "Client version",
        "client_version",
        Kind.TEXT,
        "Version of the calling application or firmware, when known.",
        example="45.8.0.32875",
    ),
    Field(
        "Correlation ID",
        "correlation_id",
        Kind.UUID,
        "Shared by all legs of one call; transfers can produce further linked values.",
        example="8e8e1dc7-4f25-4595-b9c7-26237f824535",
    ),
    Field(
        "International country",
        "international_country",
        Kind.TEXT,
        "ISO country code of the dialled number, filled only for international calls.",
        na_is_value=True,
        example="US",
    ),
    Field(
        "Device MAC",
        "device_mac",
        Kind.TEXT,
        "MAC address of the device, twelve hex digits without separators, when known.",
        example="6C710D8ABC10",
    ),
    Field(
        "Duration",
        "duration",
        Kind.INTEGER,
        "Length of the call; zero when the leg was never answered.",
        unit="seconds",
        wire_number=True,
        example="36",
    ),
    Field(
        "Inbound trunk",
        "inbound_trunk",
        Kind.TEXT,
        "Name of the trunk the call came in on; can appear on either side.",
        example="InTrunk",
    ),
    Field(
        "Org UUID",
        "org_uuid",
        Kind.UUID,
        "Customer organization the record belongs to, as a bare UUID.",
        example="408806bc-a013-4a4b-9a24-85e374912102",
    ),
    Field(
        "Original reason",
        "original_reason",
        Kind.TEXT,
        "Why the call was first redirected, seen from the originally called number.",
        values=(
            "Unconditional",
            "NoAnswer",
            "Deflection",
            "TimeOfDay",
            "UserBusy",
            "FollowMe",
            "CallQueue",
            "HuntGroup",
            "Unavailable",
            "Unrecognized",
            "Unrecognised",
            "Unknown",
            "ExplicitId<digits>",
            "ImplicitId",
        ),
        example="UserBusy",
    ),
    Field(
        "OS type",
        "os_type",
        Kind.TEXT,
        "Operating system of the calling app; hardware endpoints report na.",
        example="windows",
    ),
    Field(
        "Outbound trunk",
        "outbound_trunk",
        Kind.TEXT,
        "Name of the trunk the call left by; can appear on either side.",
        example="OutTrunk",
    ),
    Field(
        "Redirect reason",
        "redirect_reason",
        Kind.TEXT,
        "Why the call was redirected by the last redirecting number.",
        values=(
            "Unconditional",
            "NoAnswer",
            "Deflection",
            "TimeOfDay",
            "UserBusy",
            "FollowMe",
            "CallQueue",
            "HuntGroup",
            "Unavailable",
            "Unrecognized",
            "Unrecognised",
            "Unknown",
            "ExplicitId<digits>",
            "ImplicitId",
        ),
        example="Unavailable",
    ),
    Field(
        "Related reason",
        "related_reason",
        Kind.TEXT,
        "Service or event that changed this call, such as transfer, park, pickup or forwarding.",
        values=(
            "ConsultativeTransfer",
            "CallForwardModeBased",
            "CallForwardSelective",
            "CallForwardAlways",
            "CallForwardNoAnswer",
            "CallForwardBusy",
            "CallForwardNotReachable",
            "CallQueue",
            "HuntGroup",
            "CallPickup",
            "DirectedCallPickup",
            "CallPark",
            "CallParkRetrieve",
            "CallRetrieve",
            "CallRecording",
            "Deflection",
            "FaxDeposit",
            "PushNotificationRetrieval",
            "BargeIn",
            "VoiceXMLScriptTermination",
            "AnywhereLocation",
            "AnywherePortal",
            "Executive",
            "ExecutiveAssistantInitiateCall",
            "ExecutiveAssistantDivert",
            "ExecutiveForward",
            "ExecutiveAssistantCallPush",
            "Remote Office",
            "RoutePoint",
            "SequentialRing",
            "SimultaneousRingPersonal",
            "CCMonitoringBI",
            "Unrecognized",
            "Unrecognised",
        ),
        example="CallQueue",
    ),
    Field(
        "Report ID",
        "report_id",
        Kind.UUID,
        "Unique identifier of this record; the deduplication key.",
        example="0a0c2eb7-f1f6-3326-86f9-565d2e11553d",
    ),
    Field(
        "Report time",
        "report_time",
        Kind.TIMESTAMP,
        "Completion time of the call as reported; equals Release time in captured records.",
        example="2026-03-02T14:03:41.223Z",
    ),
    Field(
        "Route group",
        "route_group",
        Kind.TEXT,
        "Route group that carried an outbound call to premises PSTN or a private network.",
        leg="ORIGINATING",
        example="RouteGrpAA",
    ),
    Field(
        "Site main number",
        "site_main_number",
        Kind.TEXT,
        "Main number of the location where the call took place.",
        example="+14085550100",
    ),
    Field(
        "Site timezone",
        "site_timezone",
        Kind.INTEGER,
        "Offset of the user's timezone from UTC, sent as text.",
        unit="minutes from UTC",
        example="-300",
    ),
    Field(
        "Sub client type",
        "sub_client_type",
        Kind.TEXT,
        "Refinement of the client type; marks calls on a mobile network through Webex Go.",
        values=("MOBILE_NETWORK",),
        example="MOBILE_NETWORK",
    ),
    Field(
        "User UUID",
        "user_uuid",
        Kind.UUID,
        "Identifier of the user, workspace or service that owns this record.",
        example="47f0d0c2-f05a-44cc-870d-7a3daf859c6c",
    ),
    Field(
        "User type",
        "user_type",
        Kind.TEXT,
        "What owns the record: person, workspace, virtual line, queue, attendant, gateway and so on.",
        values=(
            "User",
            "Place",
            "VirtualLine",
            "AutomatedAttendantVideo",
            "HuntGroup",
            "CallCenterStandard",
            "CallCenterPremium",
            "VoiceMailRetrieval",
            "VoiceMailGroup",
            "GroupPaging",
            "LocalGateway",
            "Anchor",
            "BroadworksAnywhere",
            "VoiceXML",
            "RoutePoint",
        ),
        example="User",
    ),
    Field(
        "User",
        "user",
        Kind.TEXT,
        "Display name of the person, workspace or service behind this record.",
        example="Alice Reed",
    ),
    Field(
        "Called number",
        "called_number",
        Kind.TEXT,
        "Number of the user on inbound legs, of the called party on outbound legs.",
        example="+14085550123",
    ),
    Field(
        "Calling number",
        "calling_number",
        Kind.TEXT,
        "Number of the calling party on inbound legs, of the user on outbound legs.",
        example="+14085550101",
    ),
    Field("Location", "location", Kind.TEXT, "Name of the location, as shown in Control Hub.", example="Richardson"),
    Field(
        "Dialed digits",
        "dialed_digits",
        Kind.TEXT,
        "Keys the user pressed, before translation; includes access and feature codes.",
        leg="ORIGINATING",
        example="914085550123",
    ),
    Field(
        "Releasing party",
        "releasing_party",
        Kind.TEXT,
        "Side that hung up first.",
        values=("Local", "Remote", "Unknown"),
        example="Remote",
    ),
    Field(
        "Redirecting number",
        "redirecting_number",
        Kind.TEXT,
        "Number that last redirected the call, for transfers, forwards and simultaneous ring.",
        example="+14085550150",
    ),
    Field(
        "Site UUID",
        "site_uuid",
        Kind.UUID,
        "Identifier of the location.",
        example="474d4f70-4ef5-4d52-9e1d-b207086629e0",
    ),
    Field(
        "Department ID",
        "department_id",
        Kind.UUID,
        "Identifier of the user's department.",
        example="4370c763-81ec-403b-aba3-626a7b1cf264",
    ),
    Field(
        "Transfer related call ID",
        "transfer_related_call_id",
        Kind.TEXT,
        "Local call ID of the other call in a consultative transfer.",
        example="2340586843:0A",
    ),
    Field(
        "Authorization code",
        "authorization_code",
        Kind.TEXT,
        "Account or authorization code entered for the call.",
        example="107",
    ),
    Field("Model", "model", Kind.TEXT, "Model of the device used.", example="8851-3PCC"),
    Field(
        "Local SessionID",
        "local_session_id",
        Kind.TEXT,
        "SIP Session ID from the originating agent: 32 hex digits, no dashes.",
        example="82bb753300105000a0000242be131609",
    ),
    Field(
        "Remote SessionID",
        "remote_session_id",
        Kind.TEXT,
        "SIP Session ID from the terminating agent: 32 hex digits, no dashes.",
        example="6bf2f47800105000a0000242be13160a",
    ),
    Field(
        "Call transfer time",
        "call_transfer_time",
        Kind.TIMESTAMP,
        "Moment a transfer was invoked during the call.",
        example="2026-03-02T14:03:29.707Z",
    ),
    Field(
        "Local call ID",
        "local_call_id",
        Kind.TEXT,
        "Identifier of this leg, used to pair it with its counterpart and transfers.",
        example="113104021:0",
    ),
    Field(
        "Remote call ID",
        "remote_call_id",
        Kind.TEXT,
        "Local call ID of the counterpart record of the same leg.",
        example="113103977:0",
    ),
    Field(
        "Network call ID",
        "network_call_id",
        Kind.TEXT,
        "Shared by the two records of one leg; second way to pair them.",
        example="BW2356451711108231501755806@10.21.0.192",
    ),
    Field(
        "Related call ID",
        "related_call_id",
        Kind.TEXT,
        "Local call ID of another call this one spawned or was deflected from.",
        example="760583469:0",
    ),
    Field(
        "User number",
        "user_number",
        Kind.TEXT,
        "E.164 number of the record's owner, or the extension when no number is assigned.",
        example="+14085550101",
    ),
    Field(
        "Call outcome",
        "call_outcome",
        Kind.TEXT,
        "Overall result of the attempt; busy and unanswered still count as success.",
        values=("Success", "Failure", "Refusal"),
        example="Success",
    ),
    Field(
        "Call outcome reason",
        "call_outcome_reason",
        Kind.TEXT,
        "Detailed cause belonging to the outcome.",
        values=(
            "Normal",
            "UserBusy",
            "NoAnswer",
            "CallRejected",
            "UnassignedNumber",
            "SIP408",
            "InternalRequestTimeout",
            "Q850102ServerTimeout",
            "NoUserResponse",
            "NoAnswerFromUser",
            "SIP480",
            "SIP487",
            "TemporarilyUnavailable",
            "AdminCallBlock",
            "UserCallBlock",
            "Unreachable",
            "LocalGatewayLoop",
            "UserAbsent",
            "DestinationOutOfOrder",
            "SIP501",
            "SIP503",
            "ProtocolError",
            "SIP606",
            "NoRouteToDestination",
            "Internal",
            "MaxConcurrentTerminatingAlertingRequestsExceeded",
            "RouteListCalls",
        ),
        example="Normal",
    ),
    Field(
        "Ring duration",
        "ring_duration",
        Kind.INTEGER,
        "Ringing time before answer or timeout.",
        unit="seconds",
        example="23",
    ),
    Field(
        "Answer indicator",
        "answer_indicator",
        Kind.TEXT,
        "Answer state of the leg, including answered only after redirection.",
        values=("Yes", "No", "Yes-PostRedirection"),
        example="Yes",
    ),
    Field("Release time", "release_time", Kind.TIMESTAMP, "Moment the call ended.", example="2026-03-02T14:03:41.223Z"),
    Field(
        "Final local SessionID",
        "final_local_session_id",
        Kind.TEXT,
        "Local SIP Session ID as it stood when the call ended.",
        example="82bb753300105000a0000242be131609",
    ),
    Field(
        "Final remote SessionID",
        "final_remote_session_id",
        Kind.TEXT,
        "Remote SIP Session ID as it stood when the call ended.",
        example="cfe67b8a00105000a0000242be131609",
    ),
    Field(
        "PSTN legal entity",
        "pstn_legal_entity",
        Kind.TEXT,
        "Regulated company providing the PSTN service; Cisco Calling Plans only.",
        example="Broadsoft Adaption LLC",
    ),
    Field(
        "PSTN vendor org ID",
        "pstn_vendor_org_id",
        Kind.UUID,
        "Organization of the Cisco Calling Plans vendor.",
        example="0b43a1a8-2efd-4892-b301-e7a5a6d2c884",
    ),
    Field(
        "PSTN vendor name",
        "pstn_vendor_name",
        Kind.TEXT,
        "Vendor the PSTN service was bought from.",
        example="Cisco Calling Plans",
    ),
    Field(
        "PSTN provider ID",
        "pstn_provider_id",
        Kind.UUID,
        "Fixed identifier of the PSTN provider in that country.",
        example="e8e730a0-ee04-4df4-90a6-b7072aec9062",
    ),
    Field(
        "External customer ID",
        "external_customer_id",
        Kind.TEXT,
        "Partner-side customer reference; present on the wire but absent from the published list.",
        example="CUST-0042",
    ),
    Field(
        "Redirecting party UUID",
        "redirecting_party_uuid",
        Kind.UUID,
        "User or service that last redirected the call.",
        example="1e9e14c7-4f25-4595-b9c7-26237f824536",
    ),
    Field(
        "Public Calling IP Address",
        "public_calling_ip_address",
        Kind.TEXT,
        "Public IP of the calling endpoint, where Internet telephony numbers (India) apply.",
        example="198.51.100.7",
    ),
    Field(
        "Public Called IP Address",
        "public_called_ip_address",
        Kind.TEXT,
        "Public IP of the called endpoint, where Internet telephony numbers (India) apply.",
        example="198.51.100.9",
    ),
    Field(
        "Caller ID number",
        "caller_id_number",
        Kind.TEXT,
        "Number presented as caller ID; not necessarily E.164.",
        example="+14085550101",
    ),
    Field(
        "External caller ID number",
        "external_caller_id_number",
        Kind.TEXT,
        "Location or organization number presented externally instead of the direct line.",
        example="+14085550100",
    ),
    Field(
        "Device owner UUID",
        "device_owner_uuid",
        Kind.UUID,
        "Owner of the device when someone else's shared or multi-line appearance was used.",
        example="1e9e14c7-4f25-4595-b9c7-26237f824536",
    ),
    Field(
        "Call Recording Platform Name",
        "call_recording_platform_name",
        Kind.TEXT,
        "Platform that recorded the call.",
        values=("Webex", "DubberRecorder", "Eleveo", "ASCTech", "MiaRec", "Imagicle", "Unknown"),
        example="Webex",
    ),
    Field(
        "Call Recording Result",
        "call_recording_result",
        Kind.TEXT,
        "Outcome of recording.",
        values=("successful", "failed", "successful but not kept"),
        example="successful",
    ),
    Field(
        "Call Recording Trigger",
        "call_recording_trigger",
        Kind.TEXT,
        "Recording mode configured for the user.",
        values=("always", "always-pause-resume", "on-demand", "on-demand-user-start"),
        example="always",
    ),
    Field(
        "Original called party UUID",
        "original_called_party_uuid",
        Kind.UUID,
        "First party that redirected the call.",
        example="e8e730a0-ee04-4df4-90a6-b7072aec9062",
    ),
    Field(
        "Recall type",
        "recall_type",
        Kind.TEXT,
        "Marks a call returning because a parked call was not picked up.",
        values=("call park",),
        example="call park",
    ),
    Field(
        "Auto Attendant Key Pressed",
        "auto_attendant_key_pressed",
        Kind.TEXT,
        "Last key the caller pressed in the auto attendant.",
        example="5",
    ),
    Field(
        "Queue type",
        "queue_type",
        Kind.TEXT,
        "Kind of queue service that handled the call.",
        values=("Customer Assist", "Call Queue"),
        example="Call Queue",
    ),
    Field(
        "Answered elsewhere",
        "answered_elsewhere",
        Kind.TEXT,
        "Marks a terminating leg that stopped ringing because another party answered.",
        leg="TERMINATING",
        values=("Yes",),
        example="Yes",
    ),
    Field(
        "Hold duration",
        "hold_duration",
        Kind.INTEGER,
        "Total time on hold, rounded down.",
        unit="seconds",
        wire_number=True,
        example="10",
    ),
    Field(
        "Route list calls overage",
        "route_list_calls_overage",
        Kind.INTEGER,
        "Number of simultaneous route-list calls above the licensed volume, sent as text.",
        unit="calls",
        example="2",
    ),
    Field(
        "Caller Reputation Score",
        "caller_reputation_score",
        Kind.NUMBER,
        "Score from the reputation provider, 0.0 to 5.0, sent as text.",
        example="2.5",
    ),
    Field(
        "Caller Reputation Service Result",
        "caller_reputation_service_result",
        Kind.TEXT,
        "What the reputation service did with the call.",
        leg="TERMINATING",
        values=("allow", "captcha-allow", "captcha-block", "block"),
        example="allow",
    ),
    Field(
        "Caller Reputation Score Reason",
        "caller_reputation_score_reason",
        Kind.TEXT,
        "Provider's explanation of the score, or the error met while fetching it.",
        example="OK",
    ),
    Field(
        "Interaction ID",
        "interaction_id",
        Kind.UUID,
        "Ties together calls of one service interaction, such as consult then transfer.",
        example="a98c732b-36ac-4d20-87b2-fec4e0a69209",
    ),
    Field(
        "WxCC consult merge status",
        "wxcc_consult_merge_status",
        Kind.TEXT,
        "Whether a contact-center consult leg was merged into the customer call.",
        na_is_value=True,
        values=("Yes", "No", "NA"),
        example="Yes",
    ),
    Field(
        "ELIN",
        "elin",
        Kind.TEXT,
        "Emergency location number used for an emergency call or callback.",
        example="+14085550199",
    ),
    Field(
        "Emergency number source",
        "emergency_number_source",
        Kind.TEXT,
        "Where the emergency number came from.",
        values=("ELIN Pool", "Workspace ELIN", "Workspace ELIN Fallback", "ECBN Fallback", "ECBN"),
        example="ELIN Pool",
    ),
    Field(
        "Transfer type",
        "transfer_type",
        Kind.TEXT,
        "Kind of transfer attempted, such as an AI receptionist deflection.",
        values=("AI Receptionist Deflection By Intent", "AI Receptionist Deflection By Default"),
        example="AI Receptionist Deflection By Intent",
    ),
    Field(
        "Transfer type context",
        "transfer_type_context",
        Kind.TEXT,
        "Extra detail for the transfer type, for example the recognised intent.",
        example="for Pediatric Services",
    ),
    Field(
        "Answer reason", "answer_reason", Kind.TEXT, "Newest key (seen September 2026); published meaning not found."
    ),
)
"""All 87 fields in wire order."""

BY_NAME: dict[str, Field] = {field.name: field for field in FIELDS}
BY_COLUMN: dict[str, Field] = {field.column: field for field in FIELDS}
_BY_FOLDED: dict[str, Field] = {fold(field.name): field for field in FIELDS}


@lru_cache(4096)
def _field_for_spelling(key: str) -> Field | None:
    return _BY_FOLDED.get(fold(key))


def field_for(key: str) -> Field | None:
    """The field a key means, in whatever spelling; None for a key nobody knows."""
    return BY_NAME.get(key) or (_field_for_spelling(key) if len(key) <= 64 else None)
