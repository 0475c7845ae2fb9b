"""From rows, of a prepared corpus or of any other, to batches: for our loop and for theirs."""
