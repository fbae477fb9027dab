"""GPT-2 with nanoGPT's parameter names, so that checkpoints are compatible in both directions.

Source: Radford et al. (2019), https://github.com/karpathy/nanoGPT. Pre-norm blocks, learned position embeddings, tied
output head.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ml_playground.models.base import Cache, LanguageModel, ModelFamily
from ml_playground.models.config import GPTConfig, ModelArgs
from ml_playground.models.hugging_face import HuggingFaceModel
from ml_playground.models.kernels.attention import causal_attention, separating_mask
from ml_playground.models.kv_cache import KVCache
from ml_playground.models.registry import families

_MASKS = (".attn.bias", ".attn.masked_bias")
"""Buffers of earlier versions of transformers."""


@dataclass(frozen=True)
class GPTArgs:
    """nanoGPT's ``model_args``."""

    n_layer: int
    n_head: int
    n_embd: int
    block_size: int
    bias: bool
    vocab_size: int
    dropout: float
    norm_eps: float = 1e-5
    activation: str = "gelu"

    @property
    def parameters(self) -> int:
        """Number of trainable parameters."""
        width, biases = self.n_embd, int(self.bias)
        block = 12 * width * width + 2 * width + biases * 11 * width
        return (self.vocab_size + self.block_size + 1 + biases) * width + self.n_layer * block


class CausalSelfAttention(nn.Module):
    """Multi-head causal self-attention."""

    def __init__(self, args: GPTArgs) -> None:
        super().__init__()
        self.n_head = args.n_head
        self.dropout = args.dropout
        self.c_attn = nn.Linear(args.n_embd, 3 * args.n_embd, bias=args.bias)
        self.c_proj = nn.Linear(args.n_embd, args.n_embd, bias=args.bias)
        self.resid_dropout = nn.Dropout(args.dropout)

    def forward(self, x: Tensor, cache: KVCache | None, layer: int, mask: Tensor | None = None) -> Tensor:
        """Apply attention to ``x`` of shape (batch, tokens, width); the output has the same shape."""
        batch, length, width = x.shape
        heads = self.c_attn(x).view(batch, length, 3, self.n_head, width // self.n_head).permute(2, 0, 3, 1, 4)
        query, key, value = heads.unbind(0)
        if cache is not None:
            key, value = cache.extend(layer, key, value)
        y = causal_attention(query, key, value, self.dropout if self.training else 0.0, mask)
        merged = y.transpose(1, 2).reshape(batch, length, width)
        out: Tensor = self.resid_dropout(self.c_proj(merged))
        return out


class MLP(nn.Module):
    """Two linear layers with GELU in between and a hidden width of four times the model's."""

    def __init__(self, args: GPTArgs) -> None:
        super().__init__()
        self.c_fc = nn.Linear(args.n_embd, 4 * args.n_embd, bias=args.bias)
        self.c_proj = nn.Linear(4 * args.n_embd, args.n_embd, bias=args.bias)
        self.dropout = nn.Dropout(args.dropout)
        self.approximate = "tanh" if args.activation == "gelu_tanh" else "none"

    def forward(self, x: Tensor) -> Tensor:
        """Apply the MLP to ``x`` of shape (batch, tokens, width); the output has the same shape."""
        out: Tensor = self.dropout(self.c_proj(F.gelu(self.c_fc(x), approximate=self.approximate)))
        return out


class Block(nn.Module):
    """Attention, then MLP, each added to the residual stream."""

    def __init__(self, args: GPTArgs) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(args.n_embd, eps=args.norm_eps, bias=args.bias)
        self.attn = CausalSelfAttention(args)
        self.ln_2 = nn.LayerNorm(args.n_embd, eps=args.norm_eps, bias=args.bias)
        self.mlp = MLP(args)

    def forward(self, x: Tensor, cache: KVCache | None, layer: int, mask: Tensor | None = None) -> Tensor:
        """Apply the block to ``x`` of shape (batch, tokens, width); the output has the same shape."""
        x = x + self.attn(self.ln_1(x), cache, layer, mask)
        out: Tensor = x + self.mlp(self.ln_2(x))
        return out


class Transformer(nn.Module):
    """Embeddings, blocks and the final norm, with the names used in checkpoints."""

    def __init__(self, args: GPTArgs) -> None:
        super().__init__()
        self.wte = nn.Embedding(args.vocab_size, args.n_embd)
        self.wpe = nn.Embedding(args.block_size, args.n_embd)
        self.drop = nn.Dropout(args.dropout)
        self.h = nn.ModuleList([Block(args) for _ in range(args.n_layer)])
        self.ln_f = nn.LayerNorm(args.n_embd, eps=args.norm_eps, bias=args.bias)

    def forward(self, ids: Tensor, cache: KVCache | None, positions: Tensor | None = None) -> Tensor:
        """Return the final hidden states, shape (batch, tokens, width), for ids of shape (batch, tokens)."""
        start = 0 if cache is None else cache.length
        mask = None if positions is None else separating_mask(positions)
        if positions is None:
            positions = torch.arange(start, start + ids.shape[1], device=ids.device)
        x = self.drop(self.wte(ids) + self.wpe(positions))
        for layer, block in enumerate(self.h):
            x = block(x, cache, layer, mask)
        if cache is not None:
            cache.length += ids.shape[1]
        out: Tensor = self.ln_f(x)
        return out


class GPT(LanguageModel):
    """The GPT language model; the output head is tied to the token embedding."""

    sliding_window = False

    def __init__(self, args: GPTArgs) -> None:
        super().__init__()
        self._args = args
        self.block_size = args.block_size
        self.vocab_size = args.vocab_size
        self.transformer = Transformer(args)
        self.lm_head = nn.Linear(args.n_embd, args.vocab_size, bias=False)
        self.transformer.wte.weight = self.lm_head.weight
        self._initialise()

    @property
    def args(self) -> ModelArgs:
        return {"family": "gpt", **asdict(self._args)}

    def new_cache(self, batch: int, window: int) -> KVCache:
        return KVCache(self._args.n_layer, batch, window)

    def hidden(self, ids: Tensor, cache: Cache | None = None, positions: Tensor | None = None) -> Tensor:
        assert cache is None or isinstance(cache, KVCache)
        out: Tensor = self.transformer(ids, cache, positions)
        return out

    @property
    def head_weight(self) -> Tensor:
        return self.lm_head.weight

    def _initialise(self) -> None:
        """Initialize as GPT-2: residual projections are scaled down by the square root of their number."""
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                residual = name.endswith("c_proj.weight")
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * self._args.n_layer) if residual else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)


class GPTFamily(ModelFamily):
    """The GPT-2 and nanoGPT family."""

    config = GPTConfig
    # transformers implements these as Conv1D, whose weight is the transpose of a linear layer's.
    _ACTIVATIONS: ClassVar = {"gelu": "gelu", "gelu_tanh": "gelu_new"}
    """transformers' names; GPT-2's own is ``gelu_new``."""
    _WITHOUT_BIAS = (".bias", "wte.weight", "wpe.weight", "lm_head.weight")
    _TRANSPOSED = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")

    def create(self, args: ModelArgs) -> GPT:
        return GPT(_shape(args))

    def parameter_count(self, args: ModelArgs) -> int:
        return _shape(args).parameters

    def to_hugging_face(self, model: LanguageModel) -> HuggingFaceModel:
        args, own = _shape(model.args), model.state_dict()
        weights = {name: tensor for name, tensor in own.items() if name != "lm_head.weight"}
        for name, tensor in own.items():
            if not name.endswith(self._WITHOUT_BIAS):  # GPT-2 always has biases; zeros are equivalent to none
                weights.setdefault(name.removesuffix("weight") + "bias", tensor.new_zeros(len(tensor)))
        config = {
            "architectures": ["GPT2LMHeadModel"],
            "model_type": "gpt2",
            "vocab_size": args.vocab_size,
            "n_positions": args.block_size,
            "n_ctx": args.block_size,  # the same, for llama.cpp's converter
            "n_embd": args.n_embd,
            "n_layer": args.n_layer,
            "n_head": args.n_head,
            "activation_function": self._ACTIVATIONS[args.activation],
            "layer_norm_epsilon": args.norm_eps,
            **dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), args.dropout),
            "tie_word_embeddings": True,
        }
        return HuggingFaceModel(config, self._transposed(weights))

    def from_hugging_face(self, theirs: HuggingFaceModel) -> GPT:
        model = GPT(_shape(self.args_from_hugging_face(theirs)))
        # The hub has GPT-2 without the prefix, and with causal masks.
        named = {f"transformer.{name.removeprefix('transformer.')}": w for name, w in theirs.weights.items()}
        left_out = ("lm_head.weight", *_MASKS)
        weights = self._transposed({name: w for name, w in named.items() if not name.endswith(left_out)})
        model.load_state_dict({**weights, "lm_head.weight": weights["transformer.wte.weight"]})
        return model

    def args_from_hugging_face(self, theirs: HuggingFaceModel) -> ModelArgs:
        theirs.expect(model_type="gpt2", n_inner=None, tie_word_embeddings=True, scale_attn_weights=True)
        theirs.expect(scale_attn_by_inverse_layer_idx=False, add_cross_attention=False)
        config = theirs.config
        name = config.get("activation_function", "gelu_new")
        if name not in self._ACTIVATIONS.values():
            raise ValueError(f"activation_function = {name!r}: only 'gelu' and 'gelu_new' can be read")
        args = GPTArgs(
            n_layer=config["n_layer"],
            n_head=config["n_head"],
            n_embd=config["n_embd"],
            block_size=config["n_positions"],
            bias=True,
            vocab_size=config["vocab_size"],
            dropout=config.get("resid_pdrop", 0.0),
            norm_eps=config.get("layer_norm_epsilon", 1e-5),
            activation=next(own for own, theirs in self._ACTIVATIONS.items() if theirs == name),
        )
        return {"family": "gpt", **asdict(args)}

    def _transposed(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Convert between our layout and that of transformers; the tensors share memory with ``weights``."""
        return {
            name: (tensor.t() if name.endswith(self._TRANSPOSED) else tensor).detach()
            for name, tensor in weights.items()
        }


def _shape(args: ModelArgs) -> GPTArgs:
    return GPTArgs(**{name: value for name, value in args.items() if name != "family"})  # type: ignore[arg-type]  # untyped field values


families.register("gpt")(GPTFamily())
