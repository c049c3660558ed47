"""The command `tidelock`."""

import signal
import sys

from . import _tidelock


def main() -> int:
    """Runs the command that the process was started with; gives its exit code."""
    # Python's handler only sets a flag, which nobody looks at while the command runs.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _tidelock.main(["tidelock", *sys.argv[1:]])
