"""Every operation keeps what the OpenAPI document promises: Schemathesis asks them all, with all of its checks on.

A value may be of the right form and yet be refused, as a time that is too young or an organization that is not there;
so the cases that are meant to be right are given times, ids and tokens that are.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import schemathesis
from fastapi.routing import APIRoute
from schemathesis.config import SchemathesisConfig
from schemathesis.config._checks import (
    NEGATIVE_DATA_REJECTION_EXPECTED_STATUSES,
    POSITIVE_DATA_ACCEPTANCE_EXPECTED_STATUSES,
)
from schemathesis.core.failures import Failure
from schemathesis.engine import Status, events, from_schema
from schemathesis.generation import GenerationMode
from schemathesis.generation.meta import TestPhase

from cdrelay.contract.times import write_time
from tests.integration.contract.conftest import CERTIFIED, NOW, REDIRECT_URI, Whole, passing

SEED = 20261124
HOUR = {"startTime": write_time(NOW - timedelta(hours=2)), "endTime": write_time(NOW - timedelta(hours=1))}
# What a check would ask and the contract does not, by path; each with the reason.
EXPECTED: dict[str, dict[str, tuple[str, ...]]] = {
    # Whether there is a record in a body that is taken is for each record to say: 422 when there is none.
    "/v1/intake/records": {"positive_data_acceptance": ("400", "415", "422")},
    # RFC 6749 5.2: a code or token that is none is answered 400.
    "/v1/access_token": {"positive_data_acceptance": ("400",)},
    "/v1/revoke": {"positive_data_acceptance": ("400",)},
    # RFC 6749 4.1.2.1: once the redirect address is known to be right, errors go there.
    "/v1/authorize": {"negative_data_rejection": ("303",)},
    # What a CSV text must hold no schema says.
    "/v1/directory/import": {"positive_data_acceptance": ("400",)},
}
PAGES = re.compile(
    r"(GET|POST) /((sign-in|sign-out|password|setup|deliveries|tokens)(/.*)?)?"
    r"|GET /(alarms|sources|quarantine|ledger|trace|drift)(/.*)?|POST /v1/authorize"
)
_USUAL = {
    "positive_data_acceptance": POSITIVE_DATA_ACCEPTANCE_EXPECTED_STATUSES,
    "negative_data_rejection": NEGATIVE_DATA_REJECTION_EXPECTED_STATUSES,
}


def config(whole: Whole) -> SchemathesisConfig:
    """All phases and checks; few examples, always the same."""
    return SchemathesisConfig.from_dict(
        {
            "seed": SEED,
            "generation": {"max-examples": 10, "database": "none"},
            "auth": {
                "openapi": {
                    "partnerToken": {"bearer": whole.token},
                    "operatorKey": {"bearer": whole.operator_key},
                    "intakeKey": {"bearer": whole.intake_key},
                }
            },
            "operations": [
                {
                    "include-path": path,
                    "checks": {name: {"expected-statuses": [*_USUAL[name], *more]} for name, more in checks.items()},
                }
                for path, checks in EXPECTED.items()
            ],
        }
    )


@dataclass
class Asked:
    """What came of asking some operations."""

    failures: list[str] = field(default_factory=list)
    statuses: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Of all answers, by operation."""

    def note(self, event: events.EngineEvent) -> None:
        """Take what an event tells."""
        if isinstance(event, events.NonFatalError | events.FatalError):
            self.failures.append(str(getattr(event, "value", event)))
        elif isinstance(event, events.ScenarioFinished):
            for case_id, node in event.recorder.cases.items():
                answer = event.recorder.find_response(case_id=case_id)
                if answer is not None:
                    self.statuses[node.value.operation.label].add(answer.status_code)
            for case_id, checks in event.recorder.checks.items():
                label = event.recorder.cases[case_id].value.operation.label
                self.failures += [_in_words(label, one) for one in checks if one.status == Status.FAILURE]


def _in_words(label: str, check: Any) -> str:
    info = check.failure_info
    return f"{label}, {check.name}: {info.failure.title}: {info.failure.message}\n{info.code_sample}"


def ask(whole: Whole) -> Asked:
    """Ask all operations, in all phases."""
    schema = schemathesis.openapi.from_url(f"{whole.address}/openapi.json", config=config(whole))

    @schema.hook
    def map_case(context: Any, case: Any) -> Any:
        if case.meta is not None and case.meta.generation.mode == GenerationMode.POSITIVE:
            make_right(whole, case)
        return case

    @schema.hook
    def filter_failure(context: Any, failure: Failure, case: Any, response: Any) -> bool:
        # POST takes the form of the page at that address, and pages are not in the document.
        of_the_form = case.method == "POST" or failure.title == "Allow header mismatch"
        return not (case.operation.path == "/v1/authorize" and of_the_form)

    asked = Asked()
    for event in from_schema(schema).execute():
        asked.note(event)
    return asked


def make_right(whole: Whole, case: Any) -> None:
    """Give a case that is meant to be right what no schema can say."""
    path = case.operation.path
    if path.startswith(("/v1/partners/", "/v1/cdr_")):
        case.query |= HOUR
        if path != "/v1/partners/cdrcountbyorg":
            case.query["orgId"] = whole.organizations[0]
        if {"startTimeForNextFetch", "lastReportId"} & case.query.keys():
            case.query["startTimeForNextFetch"] = HOUR["startTime"]
    elif path == "/v1/intake/records" and case.media_type == "application/json":
        case.query, case.body = {}, {"items": [whole.record]}
    elif path.startswith("/api/ledger"):
        case.query |= {"from": "2026-11-24T12:00Z", "to": "2026-11-24T15:00Z", "source": "provider", "orgId": CERTIFIED}
    elif path.startswith("/v1/directory/"):
        make_entry_right(whole, case, path.split("/")[3])
    elif path == "/webhooks/{source}":
        case.path_parameters["source"] = "provider"
    else:
        make_token_request_right(whole, case)


def make_token_request_right(whole: Whole, case: Any) -> None:
    """Name clients and tokens that are there."""
    path = case.operation.path
    if path == "/v1/authorize":
        case.query |= {"client_id": whole.client_id, "redirect_uri": REDIRECT_URI}
    elif path == "/v1/access_token":
        case.body = whole.client | {"grant_type": "refresh_token", "refresh_token": whole.refresh_token}
    elif path == "/v1/revoke":
        case.body = whole.client | {"token": "none-that-was-ever-given"}


def make_entry_right(whole: Whole, case: Any, kind: str) -> None:
    """Name entries that are there; what is deleted is asked for nowhere else."""
    # In the stateful phase it is what another operation has answered.
    if "entry_id" in case.path_parameters and case.meta.phase.name != TestPhase.STATEFUL:
        removed = case.method == "DELETE"
        case.path_parameters["entry_id"] = passing(whole.running.foundation, kind) if removed else whole.entries[kind]
    if kind == "import" and "removeMissing" in case.query:
        case.query["dryRun"] = "true"  # else it would remove what the other operations are asked for
    if case.method == "PATCH" and kind in {"relations", "licences"}:
        case.body = {"endsAt": write_time(NOW + timedelta(days=2))}
    if kind == "administrators" and isinstance(case.body, dict) and "organizations" in case.body:
        case.body["organizations"] = []
    if case.method == "POST" and kind == "relations":
        case.body = {"kind": "subscription", "partnerId": "", "orgId": ""}
    if case.method == "POST" and isinstance(case.body, dict):
        there = {"partnerId": whole.entries["partners"], "orgId": whole.entries["organizations"]}
        case.body |= {name: value for name, value in there.items() if name in case.body and kind != "organizations"}


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_schemathesis_finds_nothing_to_complain_of(whole: Whole) -> None:
    asked = ask(whole)

    assert asked.statuses.keys() == operations(whole).keys()
    assert not asked.failures, "\n\n".join(sorted(set(asked.failures)))
    # Where nothing was ever answered as asked, nothing was tried.
    vain = [label for label, found in asked.statuses.items() if not any(200 <= one < 400 for one in found)]
    assert not vain, vain


def routes(whole: Whole) -> Iterator[APIRoute]:
    """All routes of the app, pages too."""
    for context in whole.running.app.router.routes:
        for one in [context, *getattr(getattr(context, "original_router", None), "routes", [])]:
            if isinstance(one, APIRoute):
                yield one


def operations(whole: Whole) -> dict[str, dict[str, Any]]:
    """Every operation of the document by method and path."""
    document = whole.running.app.openapi()
    return {
        f"{method.upper()} {path}": each for path, item in document["paths"].items() for method, each in item.items()
    }


def test_every_operation_says_what_it_does_what_it_answers_and_how_it_fails(whole: Whole) -> None:
    lacking = {}
    for label, one in operations(whole).items():
        success = {status for status in one["responses"] if status[0] in "23"}
        errors = set(one["responses"]) - success
        # A page of health cannot fail otherwise than by not being there.
        if not one.get("summary") or not success or not (errors or label == "GET /healthz"):
            lacking[label] = (one.get("summary"), sorted(one["responses"]))
    assert lacking == {}


def test_every_route_that_is_no_page_is_in_the_document(whole: Whole) -> None:
    there = {f"{method} {one.path}" for one in routes(whole) for method in one.methods}
    pages = {label for label in there if PAGES.fullmatch(label)}
    assert there - pages == operations(whole).keys()
    assert len(pages) > 10


def test_the_document_does_not_promise_errors_in_a_shape_that_none_has(whole: Whole) -> None:
    assert "HTTPValidationError" not in str(whole.running.app.openapi())
