"""Side-by-side reports of runs: tables, figures and one self-contained page. Needs no torch."""

from tidemask.report.compare import Comparison
from tidemask.report.tables.typed_table import Column, Table

__all__ = ["Column", "Comparison", "Table"]
