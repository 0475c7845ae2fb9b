"""The tables of a comparison, for its page, its CSV files and the terminal."""
