"""Qwen3 with Hugging Face's parameter names, so that other programs can use the weights unchanged.

Source: Qwen team (2025), https://arxiv.org/abs/2505.09388. Pre-norm blocks with RMSNorm, rotary position embeddings (Su
et al., 2021), QK-Norm, SwiGLU (Shazeer, 2020), grouped-query attention (Ainslie et al., 2023), tied output head.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ml_playground.models.base import Cache, LanguageModel, ModelFamily
from ml_playground.models.config import ModelArgs, Qwen3Config
from ml_playground.models.hugging_face import HuggingFaceModel
from ml_playground.models.kernels.attention import causal_attention, separating_mask
from ml_playground.models.kv_cache import KVCache
from ml_playground.models.registry import families


@dataclass(frozen=True)
class Qwen3Args:
    """Architecture arguments, with the names used in ``[train.model]``."""

    n_layer: int
    n_head: int
    n_kv_head: int
    n_embd: int
    n_inner: int
    block_size: int
    vocab_size: int
    dropout: float
    rope_theta: float = 10_000.0
    norm_eps: float = 1e-6

    @property
    def head_dim(self) -> int:
        """Width of an attention head."""
        return self.n_embd // self.n_head

    @property
    def parameters(self) -> int:
        """Number of trainable parameters."""
        width, head = self.n_embd, self.head_dim
        attention = 2 * width * head * (self.n_head + self.n_kv_head) + 2 * head
        block = attention + 3 * width * self.n_inner + 2 * width
        return (self.vocab_size + 1) * width + self.n_layer * block


class Attention(nn.Module):
    """Grouped-query causal attention with QK-Norm and rotary position embeddings."""

    def __init__(self, args: Qwen3Args) -> None:
        super().__init__()
        self.head_dim = args.head_dim
        self.dropout = args.dropout
        self.q_proj = nn.Linear(args.n_embd, args.n_head * args.head_dim, bias=False)
        self.k_proj = nn.Linear(args.n_embd, args.n_kv_head * args.head_dim, bias=False)
        self.v_proj = nn.Linear(args.n_embd, args.n_kv_head * args.head_dim, bias=False)
        self.o_proj = nn.Linear(args.n_head * args.head_dim, args.n_embd, bias=False)
        self.q_norm = nn.RMSNorm(args.head_dim, eps=args.norm_eps)
        self.k_norm = nn.RMSNorm(args.head_dim, eps=args.norm_eps)

    def forward(
        self,
        x: Tensor,
        rotation: tuple[Tensor, Tensor],
        cache: KVCache | None,
        layer: int,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Apply attention to ``x`` of shape (batch, tokens, width); the output has the same shape."""
        # (batch, tokens, heads, head width)
        query, key, value = (
            projection(x).unflatten(-1, (-1, self.head_dim)) for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        query = rotate(self.q_norm(query.float()), rotation).transpose(1, 2)
        key = rotate(self.k_norm(key.float()), rotation).transpose(1, 2)
        value = value.transpose(1, 2)
        if cache is not None:
            key, value = cache.extend(layer, key, value)
        y = causal_attention(query, key, value, self.dropout if self.training else 0.0, mask)
        out: Tensor = self.o_proj(y.transpose(1, 2).flatten(2))
        return out


class MLP(nn.Module):
    """SwiGLU MLP, in which one projection gates another."""

    def __init__(self, args: Qwen3Args) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(args.n_embd, args.n_inner, bias=False)
        self.up_proj = nn.Linear(args.n_embd, args.n_inner, bias=False)
        self.down_proj = nn.Linear(args.n_inner, args.n_embd, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the MLP to ``x`` of shape (batch, tokens, width); the output has the same shape."""
        out: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class Layer(nn.Module):
    """Attention, then MLP, each added to the residual stream."""

    def __init__(self, args: Qwen3Args) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(args.n_embd, eps=args.norm_eps)
        self.self_attn = Attention(args)
        self.post_attention_layernorm = nn.RMSNorm(args.n_embd, eps=args.norm_eps)
        self.mlp = MLP(args)
        self.dropout = nn.Dropout(args.dropout)

    def forward(
        self,
        x: Tensor,
        rotation: tuple[Tensor, Tensor],
        cache: KVCache | None,
        layer: int,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Apply the layer to ``x`` of shape (batch, tokens, width); the output has the same shape."""
        x = x + self.dropout(self.self_attn(self.input_layernorm(x), rotation, cache, layer, mask))
        out: Tensor = x + self.dropout(self.mlp(self.post_attention_layernorm(x)))
        return out


class Decoder(nn.Module):
    """Embedding, layers and the final norm, with the names used in checkpoints."""

    cos: Tensor
    sin: Tensor

    def __init__(self, args: Qwen3Args) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(args.vocab_size, args.n_embd)
        self.dropout = nn.Dropout(args.dropout)
        self.layers = nn.ModuleList([Layer(args) for _ in range(args.n_layer)])
        self.norm = nn.RMSNorm(args.n_embd, eps=args.norm_eps)
        self.rope_theta = args.rope_theta
        cos, sin = rotations(torch.arange(args.block_size), args.head_dim, args.rope_theta)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, ids: Tensor, cache: KVCache | None, positions: Tensor | None = None) -> Tensor:
        """Return the final hidden states, shape (batch, tokens, width), for ids of shape (batch, tokens)."""
        start = 0 if cache is None else cache.length
        end = start + ids.shape[1]
        mask = None if positions is None else separating_mask(positions)
        rows = slice(start, end) if positions is None else positions
        rotation = (self.cos[rows], self.sin[rows])
        if end > len(self.cos):  # with a sliding window, positions continue past the maximum context length
            rotation = rotations(torch.arange(start, end, device=ids.device), self.cos.shape[-1], self.rope_theta)
        x = self.dropout(self.embed_tokens(ids))
        for layer, block in enumerate(self.layers):
            x = block(x, rotation, cache, layer, mask)
        if cache is not None:
            cache.length = end
        out: Tensor = self.norm(x)
        return out


class Qwen3(LanguageModel):
    """The Qwen3 language model; the output head is tied to the token embedding."""

    sliding_window = True

    def __init__(self, args: Qwen3Args) -> None:
        super().__init__()
        self._args = args
        self.block_size = args.block_size
        self.vocab_size = args.vocab_size
        self.model = Decoder(args)
        self.lm_head = nn.Linear(args.n_embd, args.vocab_size, bias=False)
        self.lm_head.weight = self.model.embed_tokens.weight
        self._initialise()

    @property
    def args(self) -> ModelArgs:
        return {"family": "qwen3", **asdict(self._args)}

    def new_cache(self, batch: int, window: int) -> KVCache:
        return KVCache(self._args.n_layer, batch, window)

    def hidden(self, ids: Tensor, cache: Cache | None = None, positions: Tensor | None = None) -> Tensor:
        assert cache is None or isinstance(cache, KVCache)
        out: Tensor = self.model(ids, cache, positions)
        return out

    @property
    def head_weight(self) -> Tensor:
        return self.lm_head.weight

    def _initialise(self) -> None:
        """Initialize with small normal weights; residual projections start at zero, which trains faster."""
        for name, parameter in self.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                nn.init.zeros_(parameter)
            elif parameter.dim() == 2:
                nn.init.normal_(parameter, std=0.02)


class Qwen3Family(ModelFamily):
    """The Qwen3 family, with the parameter names of ``transformers``."""

    config = Qwen3Config

    def create(self, args: ModelArgs) -> Qwen3:
        return Qwen3(_shape(args))

    def parameter_count(self, args: ModelArgs) -> int:
        return _shape(args).parameters

    def to_hugging_face(self, model: LanguageModel) -> HuggingFaceModel:
        args = _shape(model.args)
        config = {
            "architectures": ["Qwen3ForCausalLM"],
            "model_type": "qwen3",
            "vocab_size": args.vocab_size,
            "hidden_size": args.n_embd,
            "intermediate_size": args.n_inner,
            "num_hidden_layers": args.n_layer,
            "num_attention_heads": args.n_head,
            "num_key_value_heads": args.n_kv_head,
            "head_dim": args.head_dim,
            "max_position_embeddings": args.block_size,
            "rope_parameters": {"rope_type": "default", "rope_theta": args.rope_theta},
            "rms_norm_eps": args.norm_eps,
            "hidden_act": "silu",
            "attention_bias": False,
            "attention_dropout": args.dropout,
            "use_sliding_window": False,
            "tie_word_embeddings": True,
        }
        weights = {name: tensor.detach() for name, tensor in model.state_dict().items()}
        del weights["lm_head.weight"]
        return HuggingFaceModel(config, weights)

    def from_hugging_face(self, theirs: HuggingFaceModel) -> Qwen3:
        model = Qwen3(_shape(self.args_from_hugging_face(theirs)))
        model.load_state_dict({**theirs.weights, "lm_head.weight": theirs.weights["model.embed_tokens.weight"]})
        return model

    def args_from_hugging_face(self, theirs: HuggingFaceModel) -> ModelArgs:
        config = theirs.config
        theirs.expect(model_type="qwen3")
        theirs.expect(
            hidden_act="silu", attention_bias=False, use_sliding_window=False,
            tie_word_embeddings=True, rope_scaling=None,
            head_dim=config["hidden_size"] // config["num_attention_heads"],
        )  # fmt: skip
        rope = config.get("rope_parameters") or {"rope_theta": config.get("rope_theta", 10_000.0)}
        if rope.get("rope_type", "default") != "default":
            raise ValueError(f"rope_type = {rope['rope_type']!r}: only 'default' can be read")
        args = Qwen3Args(
            n_layer=config["num_hidden_layers"],
            n_head=config["num_attention_heads"],
            n_kv_head=config["num_key_value_heads"],
            n_embd=config["hidden_size"],
            n_inner=config["intermediate_size"],
            block_size=config["max_position_embeddings"],
            vocab_size=config["vocab_size"],
            dropout=config.get("attention_dropout", 0.0),
            rope_theta=rope["rope_theta"],
            norm_eps=config["rms_norm_eps"],
        )
        return {"family": "qwen3", **asdict(args)}


def _shape(args: ModelArgs) -> Qwen3Args:
    return Qwen3Args(**{name: value for name, value in args.items() if name != "family"})  # type: ignore[arg-type]  # untyped field values


def rotations(positions: Tensor, head_dim: int, theta: float) -> tuple[Tensor, Tensor]:
    """Return cosines and signed sines for :func:`rotate`, each of shape (positions, 1, head_dim)."""
    exponents = torch.arange(0, head_dim, 2, dtype=torch.float32, device=positions.device) / head_dim
    angles = torch.outer(positions.float(), theta**-exponents).unsqueeze(1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat((cos, cos), dim=-1), torch.cat((-sin, sin), dim=-1)


def rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate the pairs (i, i + half) of ``x``, shape (batch, tokens, heads, head width), by their position's angle."""
    cos, sin = rotation
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, dims=-1), sin)


families.register("qwen3")(Qwen3Family())
