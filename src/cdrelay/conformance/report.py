"""What came of the checks, for programs: JSON and JUnit XML. Pure."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from xml.etree import ElementTree

from cdrelay.conformance.checks import VERDICTS, Result

_NOT_IN_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def counted(results: Sequence[Result]) -> dict[str, int]:
    """How many checks ended with each verdict, in the order of `VERDICTS`, zeros too."""
    found = Counter(one.verdict for one in results)
    return {verdict: found[verdict] for verdict in VERDICTS}


def as_json(kind: str, address: str, results: Sequence[Result]) -> dict[str, Any]:
    """One document: what was checked, how many ended how, and every check."""
    return {"checked": kind, "address": address, **counted(results), "checks": [asdict(one) for one in results]}


def as_junit(kind: str, address: str, results: Sequence[Result]) -> bytes:
    """A JUnit report with one suite: times in seconds, warnings as output of a case that passed."""
    numbers = counted(results)
    total = {
        "tests": str(len(results)),
        "failures": str(numbers["failed"]),
        "errors": "0",
        "skipped": str(numbers["skipped"]),
        "time": f"{sum(one.seconds for one in results):.3f}",
    }
    root = ElementTree.Element("testsuites", total)
    suite = ElementTree.SubElement(root, "testsuite", {"name": _text(f"conformance {kind} {address}")} | total)
    for one in results:
        case = ElementTree.SubElement(
            suite,
            "testcase",
            {"classname": f"conformance.{kind}", "name": one.name, "time": f"{one.seconds:.3f}"},
        )
        _add_verdict(case, one)
    report: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return report


def _add_verdict(case: ElementTree.Element, one: Result) -> None:
    rule = f"{one.section}: {one.asks}"
    if one.verdict == "failed":
        ElementTree.SubElement(case, "failure", {"message": _text(one.what)}).text = _text(f"{rule}\n{one.what}")
    elif one.verdict == "skipped":
        ElementTree.SubElement(case, "skipped", {"message": _text(one.what)})
    else:
        ElementTree.SubElement(case, "system-out").text = _text(f"{rule}\n{one.verdict}: {one.what}")


def _text(text: str) -> str:
    """Without the characters that no XML may hold: a listener can answer any bytes."""
    return _NOT_IN_XML.sub("�", text)
