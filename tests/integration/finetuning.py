"""A tiny pretrained model of Hugging Face's form, made here."""

# transformers types its functions in part.
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

VOCABULARY = 300
TEXT = "Herr Präsident! Meine Damen und Herren! Über den Haushalt müssen wir reden.\n"
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How transformers splits words for this architecture, whatever the folder says."""
SHAPE: dict[str, object] = {
    "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 4, "head_dim": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 64, "vocab_size": VOCABULARY, "bos_token_id": 0,
    "eos_token_id": 1,
}  # fmt: skip
ARCHITECTURES: dict[str, dict[str, object]] = {
    "llama": SHAPE,
    "qwen2": SHAPE,
    "qwen3": {**SHAPE, "tie_word_embeddings": True},
    "gemma": SHAPE,
    "gpt2": {"n_embd": 16, "n_layer": 1, "n_head": 2, "vocab_size": VOCABULARY, "n_positions": 64},
    "gpt_neox": {**SHAPE, "rotary_pct": 0.5},
}


def write_model(folder: Path, architecture: str = "llama", seed: int = 1) -> Path:
    """A randomly initialised model and its tokenizer, as ``save_pretrained`` writes them."""
    write_architecture(folder, architecture, seed)
    write_tokenizer(folder, QWEN2 if architecture == "qwen2" else None)
    return folder


def write_architecture(folder: Path, architecture: str, seed: int = 1, **changes: object) -> Path:
    """The model alone."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(seed)
    config = AutoConfig.for_model(architecture, **{**ARCHITECTURES[architecture], **changes})
    AutoModelForCausalLM.from_config(config).save_pretrained(str(folder))
    return folder


def write_tokenizer(folder: Path, pattern: str | None = None) -> None:
    """Byte-level BPE, with tokens for the beginning and the end of a text.

    Args:
        folder: Where to.
        pattern: Splits words in place of GPT-2's; the text is then in NFC, as for Qwen 2.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if pattern:
        split = pre_tokenizers.Split(Regex(pattern), "isolated")
        words = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.pre_tokenizer, tokenizer.normalizer = pre_tokenizers.Sequence([split, words]), normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=["<s>", "</s>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    tokenizer.train_from_iterator([TEXT], trainer)
    folder.mkdir(exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"eos_token": "</s>", "bos_token": {"content": "<s>"}}
    (folder / "tokenizer_config.json").write_text(json.dumps(names), encoding="utf-8")


def tables(folder: Path, **changes: dict[str, object]) -> dict[str, dict[str, object]]:
    """``[prepare]`` and ``[train]`` of an experiment that finetunes the model in a folder."""
    prepare = {"tokenizer": "hf", "tokenizer_path": str(folder)}
    model: dict[str, object] = {"family": "hf", "path": str(folder), "peft": changes.pop("peft", {})}
    train: dict[str, object] = {"model": {**model, **changes.pop("model", {})}}
    return {"prepare": {**prepare, **changes.pop("prepare", {})}, "train": {**train, **changes}}
