"""From text files to a prepared corpus."""
