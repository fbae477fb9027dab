"""Byte pair encoding trained on the text itself, with Hugging Face's tokenizers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from ml_playground.text.ids import END_OF_TEXT, TokenIds, token_ids
from ml_playground.text.pieces import pieces
from ml_playground.text.tokenizer import TokenizerKind, tokenizers
from ml_playground.text.unknown import encodable

_LONGEST_WORD = 256


class BpeTokenizer:
    """Byte-level BPE with GPT-2's word pattern: all 256 bytes are tokens, so any text can be encoded.

    Training is deterministic: the same texts and size give the same vocabulary. The only special token is the
    end-of-text token, which is the last one; tokenizers of earlier versions have none. The state is the whole
    tokenizer as Hugging Face's ``tokenizer.json``.
    """

    start_of_text = None

    def __init__(self, definition: str) -> None:
        """Load a tokenizer.

        Args:
            definition: Content of a ``tokenizer.json``.
        """
        self._tokenizer = Tokenizer.from_str(definition)
        self._tokenizer.encode_special_tokens = True  # what looks like a special token in a text is plain text
        self.end_of_text = self._tokenizer.token_to_id(END_OF_TEXT)

    @classmethod
    def train(cls, vocab_size: int, documents: Iterable[Iterable[bytes]]) -> BpeTokenizer:
        """Train a tokenizer with ``vocab_size`` tokens, or fewer if short texts have too few pairs to merge."""
        words = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer = Tokenizer(models.BPE())
        # Training time is quadratic in the longest word, and longer words add nothing.
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
        # Of the encode methods, only those for batches release the GIL.
        (encoding,) = self._tokenizer.encode_batch_fast([encodable(text)])
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
