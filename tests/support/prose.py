"""English-like text of our own: sentences from a small grammar, seeded."""

from __future__ import annotations

import random

_NOUNS = (
    "river stone garden window letter winter farmer engine bridge lantern harbour kettle".split()
)
_VERBS = "carries follows remembers paints repairs watches leaves finds breaks lifts".split()
_ADJECTIVES = "quiet heavy bright broken distant careful green unlikely".split()
_ADVERBS = "slowly often never gladly again yesterday".split()
_NAMES = "Marta Oleg Ines Tomas Yuki".split()
_PREPOSITIONS = "under beside behind near across".split()


def sentence(rng: random.Random) -> str:
    """One sentence of six to fifteen words."""
    subject = rng.choice(
        [rng.choice(_NAMES), f"the {rng.choice(_ADJECTIVES)} {rng.choice(_NOUNS)}", "she", "it"]
    )
    text = f"{subject} {rng.choice(_VERBS)} the {rng.choice(_NOUNS)}"
    if rng.random() < 0.6:
        text += f" {rng.choice(_PREPOSITIONS)} a {rng.choice(_ADJECTIVES)} {rng.choice(_NOUNS)}"
    if rng.random() < 0.4:
        text += f" {rng.choice(_ADVERBS)}"
    if rng.random() < 0.2:
        text += f", and {rng.choice(_NAMES)} has {rng.randrange(2, 90)} of them"
    return text[0].upper() + text[1:] + rng.choice([".", ".", ".", "!", "?"])


def document(rng: random.Random, num_sentences: int) -> str:
    """Sentences in paragraphs of five, one paragraph per line."""
    sentences = [sentence(rng) for _ in range(num_sentences)]
    return "\n".join(" ".join(sentences[i : i + 5]) for i in range(0, num_sentences, 5))


def text(num_documents: int, *, seed: int = 0, num_sentences: int = 25) -> str:
    """Documents separated by empty lines."""
    rng = random.Random(seed)
    return "\n\n".join(document(rng, num_sentences) for _ in range(num_documents)) + "\n"
