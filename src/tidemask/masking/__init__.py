"""The heart: schedules, weighting, selection and corruption; torch and nothing of transformers."""
