"""The tables of a comparison: for the page, for CSV and for text."""
