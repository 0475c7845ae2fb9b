"""Generated questions, and small tokenizers of two kinds for them."""

import random
from functools import cache

from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from tidemask.tasks.squad.data import Question

_PEOPLE = "Marta Oleg Inès Tomas Yuki Zoë".split()
_THINGS = "lantern bridge kettle window engine harbour letter garden".split()
_PLACES = "mill,old town,river's mouth,café".split(",")


def question(rng, *, num_sentences=4, with_answer=True):
    """Who holds a thing, asked of sentences that each name one person and one thing."""
    things = rng.sample(_THINGS, num_sentences + 1)
    facts = [(rng.choice(_PEOPLE), thing, rng.choice(_PLACES)) for thing in things[:-1]]
    sentences = [f"{who} left the {thing} at the {where}." for who, thing, where in facts]
    wanted = rng.randrange(num_sentences)
    person, thing, place = facts[wanted]
    begin = sum(len(sentence) + 1 for sentence in sentences[:wanted])
    text, start = (person, begin) if rng.random() < 0.5 else (f"the {thing}", begin)
    start = begin + sentences[wanted].index(text)
    asked = (
        f"Who left the {thing}?" if text == person else f"What did {person} leave at the {place}?"
    )
    if not with_answer:
        asked, text = f"Who left the {things[-1]}?", ""
    return Question(
        id=str(rng.random()),
        context=" ".join(sentences),
        question=asked,
        answers=(text,) if text else (),
        answer_starts=(start,) if text else (),
    )


def questions(number, *, seed=0, share_with_answer=1.0):
    rng = random.Random(seed)
    return [
        question(rng, num_sentences=rng.randint(1, 6), with_answer=rng.random() < share_with_answer)
        for _ in range(number)
    ]


def _text():
    return [f"{question.context} {question.question}" for question in questions(60, seed=9)]


@cache
def wordpiece():
    """Joins texts as BERT does."""
    backend = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    backend.train_from_iterator(
        _text(), trainers.WordPieceTrainer(vocab_size=120, special_tokens=special)
    )
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


@cache
def byte_level(joins=True):
    """Joins texts as RoBERTa does, with two separators; or leaves that to others."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<mask>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    backend.train_from_iterator(
        _text(),
        trainers.BpeTrainer(vocab_size=320, special_tokens=special, initial_alphabet=alphabet),
    )
    if joins:
        backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="<pad>",
        cls_token="<s>",
        sep_token="</s>",
        mask_token="<mask>",
    )


TOKENIZERS = {"wordpiece": wordpiece, "byte_level": byte_level}
