"""A CSV's rows as records on two devices, cell by cell, as in a notebook.

    pip install "tidelock[pandas]"
    python csv_to_two_devices.py readings.csv 's3://my-bucket/readings?region=eu-central-1'
"""

# %% Where the data comes from, and where it goes
import csv
import sys
import tempfile
from pathlib import Path

import tidelock

file, store = sys.argv[1:]
here = Path(tempfile.mkdtemp())  # a device's own folder: in earnest it stays

# %% The first device creates the vault, takes the rows in and publishes them
vault, code = tidelock.Vault.create(store, here / "laptop", device="laptop")
readings = vault.collection("readings", tidelock.JSON)
with open(file, newline="") as opened:
    readings.update({f"{number:06}": row for number, row in enumerate(csv.DictReader(opened))})
print(vault.sync(progress="tqdm" if sys.stderr.isatty() else None))

# %% The second device joins with the recovery code, and has every row
other = tidelock.Vault.join(store, here / "desktop", code, device="desktop")
frame = other.collection("readings", tidelock.JSON).to_pandas()
print(frame.describe(include="all"))

# %% An edit goes the other way
other.collection("readings", tidelock.JSON)["000000"] = {"sensor": "replaced", "value": "0"}
other.sync()
vault.sync()
print(readings["000000"])

# %% What a bucket was asked for, in all
print(vault.status().meter)
vault.close()
other.close()
