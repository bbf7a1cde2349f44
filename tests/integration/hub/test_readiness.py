"""Readiness over real HTTP: what keeps a process from its work is named, and being alive is another question."""

import shutil

from tests.integration.hub.conftest import Served


async def test_a_process_whose_spool_is_gone_is_alive_and_not_ready(served: Served) -> None:
    assert (await served.get("/readyz")).json == {"ready": True, "problems": []}
    assert served.running.collector is not None

    shutil.rmtree(served.running.collector.store.spool.folder)

    not_ready = await served.get("/readyz")
    assert not_ready.status == 503
    assert "spool" in not_ready.json["problems"][0]
    assert (await served.get("/healthz")).status == 200


async def test_a_file_in_place_of_the_spool_folder_is_told(served: Served) -> None:
    assert served.running.publisher is not None
    folder = served.running.publisher.store.spool.folder
    shutil.rmtree(folder)
    folder.touch()

    assert (await served.get("/readyz")).json["problems"] == [
        "the spool of the publisher is no folder that can be written"
    ]


async def test_a_lake_that_is_gone_is_told(served: Served) -> None:
    assert served.running.collector is not None
    shutil.rmtree(served.running.collector.store.lake.folder)

    assert (await served.get("/readyz")).json["problems"] == ["the lake of the collector is not there"]


async def test_a_database_that_is_gone_is_told(served: Served) -> None:
    served.lose_database()

    not_ready = await served.get("/readyz")

    assert not_ready.status == 503
    assert "control database" in not_ready.json["problems"][0]
