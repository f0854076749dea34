"""The table of `neuron_eval.report.table` as Markdown.

python -m neuron_eval.report.markdown LOG_DIR
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

from inspect_ai.log import list_eval_logs, read_eval_log

from neuron_eval.report.table import Row, ratio_to_original, rows


def markdown(rows: Sequence[Row]) -> str:
    """One line a format, with intervals; what was not measured says so."""
    lines = [
        "| format | neurons | simulation correlation | AdaCS | prompt tokens | fewer than Original "
        "|",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for row, ratio in zip(rows, ratio_to_original(rows), strict=True):
        tokens = "unknown" if math.isnan(row.prompt_tokens) else f"{row.prompt_tokens:.0f}"
        fewer = "unknown" if math.isnan(ratio) else f"{ratio:.2f} x"
        cells = (row.format, row.neurons, row.simulation, row.adacs, tokens, fewer)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def of_folder(folder: str) -> str:
    """The table of a folder of logs."""
    return markdown(rows([read_eval_log(info) for info in list_eval_logs(folder)]))


if __name__ == "__main__":
    print(of_folder(sys.argv[1]))  # noqa: T201
