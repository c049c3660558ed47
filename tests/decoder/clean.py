"""Runs the decoder's tests with the packages it is pinned to, in a virtual environment made anew."""

import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
# cryptography: Apache-2.0 or BSD-3-Clause; blake3: CC0-1.0 or Apache-2.0; zstandard: BSD-3-Clause; rfc8785: Apache-2.0;
# pytest: MIT.
PACKAGES = ["cryptography==50.0.2", "blake3==1.0.11", "zstandard==0.25.0", "rfc8785==0.1.4", "pytest==9.0.2"]

environment = Path(os.environ["CARGO_TARGET_DIR"]) / "decoder"
try:
    venv.create(environment, clear=True, with_pip=True)
except subprocess.CalledProcessError:
    sys.exit("no virtual environment can be made: install Debian's package `python3-venv`")
python = environment / "bin" / "python"
subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
subprocess.run([python, "-B", "-m", "pytest", "--quiet", "-p", "no:cacheprovider", HERE], check=True)
