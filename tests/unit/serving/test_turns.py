"""How long a thread waits for the interpreter while another one computes."""

import subprocess
import sys

SHORTENED = """
import sys
from cdrelay.serving import take_short_turns
before = sys.getswitchinterval()
take_short_turns()
take_short_turns()
print(before / sys.getswitchinterval())
"""


def test_threads_hand_over_ten_times_sooner() -> None:
    # Its effect is a figure of ./dev bench loading: here it would be one of how busy the machine is.
    done = subprocess.run([sys.executable, "-c", SHORTENED], capture_output=True, text=True, check=True)
    assert round(float(done.stdout)) == 10
