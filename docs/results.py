"""The table of docs/concepts.md, from a folder of logs.

    python docs/results.py LOG_DIR             prints it as Markdown
    python docs/results.py LOG_DIR NEW_DIR     first copies logs, without their samples
"""

import sys
from pathlib import Path

from inspect_ai.log import list_eval_logs, read_eval_log, write_eval_log

from neuron_eval.logs.identity import control_name
from neuron_eval.reporting.rendering import markdown_rows
from neuron_eval.reporting.summary import summaries, summary_table


def of_folder(folder: str) -> str:
    """The table of a folder of logs, in Markdown."""
    logs = [read_eval_log(info) for info in list_eval_logs(folder)]
    return markdown_rows(summary_table(summaries(logs), counts=False))


def copy_results(source: str, target: str) -> None:
    """Copy each log but controls to another folder, without its samples and named by its task."""
    Path(target).mkdir(parents=True, exist_ok=True)
    for info in list_eval_logs(source):
        log = read_eval_log(info, header_only=True)
        if control_name(log.eval):
            continue
        log.reductions = None
        if log.eval.revision:
            log.eval.revision.origin = ""  # where a checkout came from is its owner's business
        write_eval_log(log, str(Path(target) / f"{log.eval.task.rpartition('/')[2]}.eval"))


if __name__ == "__main__":
    if sys.argv[2:]:
        copy_results(*sys.argv[1:])
    print(of_folder(sys.argv[-1]))
