"""Byte pair encoding learned from the text itself, with Hugging Face's tokenizers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from ml_playground.text.ids import END_OF_TEXT, TokenIds, token_ids
from ml_playground.text.pieces import pieces
from ml_playground.text.tokenizer import TokenizerKind, tokenizers
from ml_playground.text.unknown import surrogates, unknown

_LONGEST_WORD = 256


class BpeTokenizer:
    """Byte-level, with GPT-2's pattern for words: all 256 bytes are tokens, so every text fits.

    The same texts and size give the same vocabulary. The only special token is the end of a text, the last one;
    those of earlier versions have none. The state is the whole tokenizer as Hugging Face's ``tokenizer.json``.
    """

    def __init__(self, definition: str) -> None:
        """``definition``: the content of a ``tokenizer.json``."""
        self._tokenizer = Tokenizer.from_str(definition)
        self._tokenizer.encode_special_tokens = True  # what looks like one in a text is text
        self.end_of_text = self._tokenizer.token_to_id(END_OF_TEXT)

    @classmethod
    def train(cls, vocab_size: int, documents: Iterable[Iterable[bytes]]) -> BpeTokenizer:
        """The tokenizer of texts, with ``vocab_size`` tokens, or fewer where short texts have not so many pairs."""
        words = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer = Tokenizer(models.BPE())
        # Learning takes time that is quadratic in the longest word, and nothing from longer ones.
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, pre_tokenizers.FixedLength(_LONGEST_WORD)])
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=vocab_size - 1, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
        )
        tokenizer.train_from_iterator((piece for document in documents for piece in pieces(document)), trainer)
        tokenizer.pre_tokenizer = words
        tokenizer.add_special_tokens([AddedToken(END_OF_TEXT, special=True)])
        return cls(tokenizer.to_str())

    @property
    def vocab_size(self) -> int:
        return self._tokenizer.get_vocab_size()

    @property
    def state(self) -> dict[str, str]:
        return {"kind": "bpe", "definition": self._tokenizer.to_str()}

    def encode(self, text: str | bytes) -> TokenIds:
        text = text if isinstance(text, str) else text.decode()
        try:
            text.encode()
        except UnicodeEncodeError:
            raise unknown(surrogates(text)) from None
        # Of the ways to encode, those for several texts let other threads work meanwhile.
        (encoding,) = self._tokenizer.encode_batch_fast([text])
        return token_ids(encoding.ids, self.vocab_size)

    def cut(self, chunks: Iterable[bytes]) -> Iterator[str]:
        return pieces(chunks)

    def decode(self, ids: Sequence[int]) -> str:
        return self._tokenizer.decode(ids, skip_special_tokens=False)


tokenizers.register("bpe")(
    TokenizerKind(
        train=lambda config, documents: BpeTokenizer.train(config.vocab_size, documents),
        load=lambda state: BpeTokenizer(state["definition"]),
        settings=lambda config: [config.vocab_size],
    )
)
