"""Sources as an operator has them: `cdrelay serve`, commands beside it, a kill in between."""

import base64
import json
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from cdrelay.publisher.directory.partners import Directory
from cdrelay.publisher.sources.record_sources import RecordSources
from cdrelay.publisher.sources.source_settings import SourceSettings
from cdrelay.settings import read_settings
from cdrelay.wiring import open_foundation
from tests.integration.publisher.publisher_bench import ORG, record
from tests.integration.publisher.source_bench import DATA, ndjson
from tests.support.process import Cdrelay

CDR = json.loads((DATA / "freeswitch" / "no_answer.cdr.json").read_text())


@pytest.fixture
def cdrelay(tmp_path: Path) -> Cdrelay:
    return Cdrelay(tmp_path / "home")


def _post_as_freeswitch(cdrelay: Cdrelay, key: str) -> None:
    """The newest leg, in the way of mod_json_cdr."""
    now = int(datetime.now(UTC).timestamp() * 1_000_000)
    CDR["variables"] |= {"start_uepoch": str(now - 20_000_000), "end_uepoch": str(now - 1_000_000)}
    request = urllib.request.Request(
        f"{cdrelay.address}/v1/intake/records?source=pbx-a?uuid={CDR['variables']['uuid']}",
        data=b"cdr=" + quote(json.dumps(CDR)).encode(),
        headers={
            "Authorization": "Basic " + base64.b64encode(f"freeswitch:{key}".encode()).decode(),
            "Content-Type": "application/x-www-form-urlencoded",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert json.loads(answer.read())["accepted"] == 1


def test_a_folder_and_a_platform_feed_a_publisher_over_a_kill(cdrelay: Cdrelay, tmp_path: Path) -> None:
    folder, recent = tmp_path / "drop", datetime.now(UTC) - timedelta(seconds=30)
    folder.mkdir()
    key = _set_up(cdrelay.home, folder)
    cdrelay.start("serve", "--roles", "publisher")
    (folder / "a.ndjson").write_bytes(ndjson(record(n, recent) for n in range(3)))
    _post_as_freeswitch(cdrelay, key)
    cdrelay.wait_until((folder / "done" / "a.ndjson").exists, 20, "the file is taken")
    cdrelay.kill()
    (folder / "b.ndjson").write_bytes(ndjson(record(n, recent) for n in range(2, 5)))
    cdrelay.start("serve", "--roles", "publisher")
    _post_as_freeswitch(cdrelay, key)
    cdrelay.wait_until((folder / "done" / "b.ndjson").exists, 20, "the second file is taken")
    spool = cdrelay.home / "publisher" / "spool"
    cdrelay.wait_until(lambda: not list(spool.glob("*.payload")), 20, "all is loaded")
    counting = "SELECT count(*) AS n, count(DISTINCT report_id) AS ids FROM records"
    assert cdrelay.json("query", counting, "--half", "publisher") == [{"n": 6, "ids": 6}]
    assert cdrelay.stop() == 0


def _set_up(home: Path, folder: Path) -> str:
    """A folder and a platform that pushes; returns an intake key."""
    foundation = open_foundation(read_settings({}, home=home))
    sources = RecordSources(foundation.database, foundation.secrets, foundation.clock)
    sources.add("drop", "folder", SourceSettings(location=str(folder)))
    sources.add("pbx-a", "push", SourceSettings(format="freeswitch", org_id=ORG))
    key = Directory(foundation.database, foundation.clock).credentials.create_intake_key()
    foundation.close()
    return key
