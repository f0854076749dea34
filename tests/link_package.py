"""Lay the package out as an install has it, made of links, for tools that read its files.

python tests/link_package.py FOLDER
"""

import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
package = Path(sys.argv[1]) / "neuron_eval"
shutil.rmtree(package, ignore_errors=True)
for source, target in ((ROOT / "neuron_eval", package), *(
    (ROOT / name, package / name) for name in ("scorers", "tasks")
)):  # fmt: skip
    shutil.copytree(
        source, target, copy_function=os.symlink, ignore=shutil.ignore_patterns("__pycache__")
    )
