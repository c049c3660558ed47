"""`python -m tidelock` is the command `tidelock`."""

import sys

from .cli import main

sys.exit(main())
