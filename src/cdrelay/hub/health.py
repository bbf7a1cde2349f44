"""Whether a process can do its work: what `/readyz` answers."""

import os
from collections.abc import Sequence

from cdrelay.errors import CdrelayError
from cdrelay.hub.status import StatusSource
from cdrelay.lake.spool import Spool


def readiness_problems(source: StatusSource, spools: Sequence[Spool]) -> list[str]:
    """Why the process is not ready; empty when it is. Blocking: database, lakes and spools are looked at."""
    problems = []
    try:
        source.read()
    except (CdrelayError, OSError) as error:
        problems.append(str(error))
    # A table that was open when its folder went still tells its last state.
    gone = [lake.folder.parent.name for lake in source.lakes() if not lake.folder.is_dir()]
    problems += [f"the lake of the {half} is not there" for half in gone]
    for spool in spools:
        try:
            spool.require_room(0)
        except (CdrelayError, OSError) as error:
            problems.append(str(error))
        else:
            # Room says nothing about permissions, and a file in the folder's place has room too.
            if not (spool.folder.is_dir() and os.access(spool.folder, os.W_OK | os.X_OK)):
                problems.append(f"the spool of the {spool.folder.parent.name} is no folder that can be written")
    return problems
