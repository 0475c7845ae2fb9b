"""Which tasks are measured on which models, and where their results are saved."""
