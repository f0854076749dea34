"""One self-contained page: tables, figures and every neuron with its explanations."""

from neuron_eval.report.page.write import write_page

__all__ = ["write_page"]
