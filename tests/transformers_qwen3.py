"""Our Qwen3 weights in transformers' model, as an independent reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_playground.models.base import LanguageModel
from ml_playground.models.qwen3 import Qwen3Args

if TYPE_CHECKING:
    from transformers import Qwen3ForCausalLM


def reference(args: Qwen3Args, model: LanguageModel, *, slides: bool = False) -> Qwen3ForCausalLM:
    """The same model; where it slides, each token sees ``block_size`` tokens, itself among them, in every layer."""
    from transformers import Qwen3Config, Qwen3ForCausalLM  # takes seconds, in the few tests that need it only

    config = Qwen3Config(
        vocab_size=args.vocab_size,
        hidden_size=args.n_embd,
        intermediate_size=args.n_inner,
        num_hidden_layers=args.n_layer,
        num_attention_heads=args.n_head,
        num_key_value_heads=args.n_kv_head,
        head_dim=args.head_dim,
        max_position_embeddings=10 * args.block_size,
        use_sliding_window=slides,
        sliding_window=args.block_size,
        max_window_layers=0,
        rms_norm_eps=args.norm_eps,
        rope_parameters={"rope_type": "default", "rope_theta": args.rope_theta},
        tie_word_embeddings=True,
    )
    theirs = Qwen3ForCausalLM(config)
    theirs.train(False)
    theirs.load_state_dict(model.state_dict())
    return theirs
