"""Copies of logs without their samples: what was run and what came out, in a few kilobytes.

python -m neuron_eval.report.results_only LOG_DIR NEW_DIR
"""

from __future__ import annotations

import sys
from pathlib import Path

from inspect_ai.log import list_eval_logs, read_eval_log, write_eval_log


def copy_results(source: str, target: str) -> list[Path]:
    """Copy each log of a folder, named by its task.

    Args:
        source: A folder of logs.
        target: Where the copies go; made if missing.

    Returns:
        The copies.
    """
    Path(target).mkdir(parents=True, exist_ok=True)
    copies = []
    for info in list_eval_logs(source):
        log = read_eval_log(info, header_only=True)
        log.reductions = None
        if log.eval.revision:
            log.eval.revision.origin = ""  # where a checkout came from is its owner's business
        copy = Path(target) / f"{log.eval.task.rpartition('/')[2]}.eval"
        write_eval_log(log, str(copy))
        copies.append(copy)
    return copies


if __name__ == "__main__":
    copy_results(*sys.argv[1:])
