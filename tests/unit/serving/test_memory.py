"""How many heaps the threads of a process have."""

import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the heaps are those of glibc")

THREADS = """
import ctypes, sys, threading, pyarrow
if sys.argv[1] == "shared":
    from cdrelay.serving import share_heaps
    share_heaps()
    share_heaps()
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
libc.malloc_info.argtypes = ctypes.c_int, ctypes.c_void_p
libc.fclose.argtypes = libc.free.argtypes = (ctypes.c_void_p,)
together = threading.Barrier(12)
def take():
    together.wait()
    libc.free(libc.malloc(1000))
    together.wait()
threads = [threading.Thread(target=take) for _ in range(12)]
for thread in threads: thread.start()
for thread in threads: thread.join()
pyarrow.array(range(10))
file = libc.fopen(b"/dev/stdout", b"w")
libc.malloc_info(0, file)
libc.fclose(file)
print(pyarrow.default_memory_pool().backend_name)
"""


def heaps(how: str) -> tuple[int, str]:
    """How many a process with a dozen threads has, and whose memory Arrow takes."""
    done = subprocess.run([sys.executable, "-c", THREADS, how], capture_output=True, text=True, check=True)
    return len(re.findall("<heap nr=", done.stdout)), done.stdout.split()[-1]


def test_threads_share_two_heaps_and_arrow_takes_from_them() -> None:
    assert heaps("shared") == (2, "system")
    assert heaps("left alone")[0] > 2, "otherwise there is nothing to be shared"
