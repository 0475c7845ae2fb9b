"""Side-by-side reports of runs: tables, figures and one self-contained page. Needs no torch."""
