"""Token classification: named entities, parts of speech, a user's own tags."""
