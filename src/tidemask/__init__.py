"""Masked-language-model pre-training whose masking changes over training."""
