"""The vocabularies of GPT-2 and later OpenAI models, through tiktoken."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import tiktoken

from ml_playground.errors import DataError
from ml_playground.text.ids import TokenIds, token_ids
from ml_playground.text.offline import offline_encoding
from ml_playground.text.pieces import pieces
from ml_playground.text.tokenizer import TokenizerKind, tokenizers
from ml_playground.text.unknown import surrogates, unknown


class TiktokenTokenizer:
    """Byte pair encoding with a pretrained vocabulary: it needs no training, and any text can be encoded.

    Text that looks like a special token, such as ``<|endoftext|>``, is encoded as plain text. The state is only the
    name of the encoding: loading it requires tiktoken's files, see :meth:`__init__`.
    """

    start_of_text = None

    def __init__(self, encoding: str) -> None:
        """Load an encoding.

        The extra ``offline`` provides GPT-2's files. Otherwise tiktoken downloads an encoding's files on first use and
        caches them in the folder given by the environment variable TIKTOKEN_CACHE_DIR, or else in a temporary one. It
        deletes damaged files there.

        Args:
            encoding: Name of the encoding, such as ``gpt2``.

        Raises:
            DataError: the encoding does not exist, or its files are not available locally and cannot be downloaded.
        """
        names = tiktoken.list_encoding_names()
        if encoding not in names:
            raise DataError(f"prepare.encoding: tiktoken has no encoding '{encoding}'; there are: {', '.join(names)}")
        try:
            self._encoding = offline_encoding(encoding) or tiktoken.get_encoding(encoding)
        except (OSError, ValueError) as error:
            # All exceptions of requests are OSErrors with very long messages; a ValueError means a wrong digest.
            raise DataError(
                f"prepare.encoding: tiktoken's files for '{encoding}' are not here and cannot be fetched"
                f" ({type(error).__name__}); connect to the internet once, or set TIKTOKEN_CACHE_DIR to a folder that"
                " has them, or install ml-playground[offline], which brings those of gpt2"
            ) from None

    @property
    def vocab_size(self) -> int:
        return self._encoding.n_vocab

    @property
    def state(self) -> dict[str, str]:
        return {"kind": "tiktoken", "encoding": self._encoding.name}

    @property
    def end_of_text(self) -> int:
        return self._encoding.eot_token

    @property
    def pattern(self) -> str:
        """Regular expression that splits a text into words."""
        return self._encoding._pat_str  # pyright: ignore[reportPrivateUsage]  # no public one

    @property
    def special_tokens(self) -> dict[str, int]:
        """Ids of the special tokens."""
        return {token: self._encoding.encode_single_token(token) for token in self._encoding.special_tokens_set}

    def ranks(self) -> dict[bytes, int]:
        """Return the ids of all tokens but the special ones, in order."""
        special = set(self.special_tokens.values())
        ids = (place for place in range(self.vocab_size) if place not in special)
        return {token: place for place in ids if (token := self.token_bytes(place)) is not None}

    def merges(self) -> list[tuple[bytes, bytes]]:
        """Return the merges of the byte pair encoding, in order.

        A token is merged from the two parts that encoding it with the tokens before it leaves.
        """
        ranks = self.ranks()
        rank_of, last = ranks.get, len(ranks)
        return [_halves(token, rank_of, last) for token in ranks if len(token) > 1]

    def encode(self, text: str | bytes) -> TokenIds:
        text = text if isinstance(text, str) else text.decode()
        try:
            ids = self._encoding.encode_to_numpy(text, disallowed_special=())  # releases the GIL
        except UnicodeEncodeError:
            raise unknown(surrogates(text)) from None
        return token_ids(ids, self.vocab_size)

    def cut(self, chunks: Iterable[bytes]) -> Iterator[str]:
        return pieces(chunks)

    def decode(self, ids: Sequence[int]) -> str:
        try:
            return self._encoding.decode(ids)
        except KeyError:
            # cl100k_base and o200k_base have gaps in their ids; an untrained model may well sample one of these.
            return self._encoding.decode([token for token in ids if self.token_bytes(token) is not None])

    def token_bytes(self, token: int) -> bytes | None:
        """Return the bytes that a token stands for; None for a gap."""
        try:
            return self._encoding.decode_single_token_bytes(token)
        except KeyError:
            return None


def _halves(token: bytes, rank_of: Callable[[bytes, int], int], last: int) -> tuple[bytes, bytes]:
    """Merge a token's bytes in the order of the ranks, which are below ``last``, until two parts are left."""
    parts = [token[place : place + 1] for place in range(len(token))]
    while len(parts) > 2:
        least, first, left = last + 1, 0, parts[0]
        for place, right in enumerate(parts[1:]):
            if (rank := rank_of(left + right, last)) < least:
                least, first = rank, place
            left = right
        parts[first : first + 2] = [parts[first] + parts[first + 1]]
    return parts[0], parts[1]


tokenizers.register("tiktoken")(
    TokenizerKind(
        train=lambda config, _: TiktokenTokenizer(config.encoding),
        load=lambda state: TiktokenTokenizer(state["encoding"]),
        settings=lambda config: [config.encoding],
    )
)
