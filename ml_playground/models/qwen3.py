"""Qwen3's architecture with Hugging Face's parameter names, so that others run our weights as they are.

Source: Qwen team (2025), https://arxiv.org/abs/2505.09388. Pre-norm blocks with RMSNorm, rotary positions (Su et al.,
2021), normalised queries and keys, SwiGLU (Shazeer, 2020), heads that share keys and values (Ainslie et al., 2023),
tied head.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ml_playground.models.base import LanguageModel, ModelArgs
from ml_playground.models.kernels.attention import attend
from ml_playground.models.kv_cache import KVCache

ROPE_THETA = 10_000.0
"""Longest wavelength of the rotary positions, in tokens over 2 pi."""
NORM_EPS = 1e-6


@dataclass(frozen=True)
class Qwen3Args:
    """Shape of the network, under the names that ``[train.model]`` uses."""

    n_layer: int
    n_head: int
    n_kv_head: int
    n_embd: int
    n_inner: int
    block_size: int
    vocab_size: int
    dropout: float

    @property
    def head_dim(self) -> int:
        """Width of a head."""
        return self.n_embd // self.n_head

    @property
    def parameters(self) -> int:
        """How many numbers a model of this shape learns."""
        width, head = self.n_embd, self.head_dim
        attention = 2 * width * head * (self.n_head + self.n_kv_head) + 2 * head
        block = attention + 3 * width * self.n_inner + 2 * width
        return (self.vocab_size + 1) * width + self.n_layer * block


class Attention(nn.Module):
    """Attention to the past by rotated, normalised queries and keys."""

    def __init__(self, args: Qwen3Args) -> None:
        super().__init__()
        self.head_dim = args.head_dim
        self.dropout = args.dropout
        self.q_proj = nn.Linear(args.n_embd, args.n_head * args.head_dim, bias=False)
        self.k_proj = nn.Linear(args.n_embd, args.n_kv_head * args.head_dim, bias=False)
        self.v_proj = nn.Linear(args.n_embd, args.n_kv_head * args.head_dim, bias=False)
        self.o_proj = nn.Linear(args.n_head * args.head_dim, args.n_embd, bias=False)
        self.q_norm = nn.RMSNorm(args.head_dim, eps=NORM_EPS)
        self.k_norm = nn.RMSNorm(args.head_dim, eps=NORM_EPS)

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor], cache: KVCache | None, layer: int) -> Tensor:
        # (batch, tokens, heads, head width)
        query, key, value = (
            projection(x).unflatten(-1, (-1, self.head_dim)) for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        query = rotate(self.q_norm(query.float()), rotation).transpose(1, 2)
        key = rotate(self.k_norm(key.float()), rotation).transpose(1, 2)
        value = value.transpose(1, 2)
        if cache is not None:
            key, value = cache.extend(layer, key, value)
        y = attend(query, key, value, self.dropout if self.training else 0.0)
        out: Tensor = self.o_proj(y.transpose(1, 2).flatten(2))
        return out


class MLP(nn.Module):
    """SwiGLU: one projection gates another."""

    def __init__(self, args: Qwen3Args) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(args.n_embd, args.n_inner, bias=False)
        self.up_proj = nn.Linear(args.n_embd, args.n_inner, bias=False)
        self.down_proj = nn.Linear(args.n_inner, args.n_embd, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class Layer(nn.Module):
    """Attention, then MLP, each added to the residual stream."""

    def __init__(self, args: Qwen3Args) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(args.n_embd, eps=NORM_EPS)
        self.self_attn = Attention(args)
        self.post_attention_layernorm = nn.RMSNorm(args.n_embd, eps=NORM_EPS)
        self.mlp = MLP(args)
        self.dropout = nn.Dropout(args.dropout)

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor], cache: KVCache | None, layer: int) -> Tensor:
        x = x + self.dropout(self.self_attn(self.input_layernorm(x), rotation, cache, layer))
        out: Tensor = x + self.dropout(self.mlp(self.post_attention_layernorm(x)))
        return out


class Decoder(nn.Module):
    """Embedding, layers and the final norm, under the names that checkpoints use."""

    cos: Tensor
    sin: Tensor

    def __init__(self, args: Qwen3Args) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(args.vocab_size, args.n_embd)
        self.dropout = nn.Dropout(args.dropout)
        self.layers = nn.ModuleList([Layer(args) for _ in range(args.n_layer)])
        self.norm = nn.RMSNorm(args.n_embd, eps=NORM_EPS)
        cos, sin = rotations(torch.arange(args.block_size), args.head_dim)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, ids: Tensor, cache: KVCache | None) -> Tensor:
        start = 0 if cache is None else cache.length
        end = start + ids.shape[1]
        rotation = (self.cos[start:end], self.sin[start:end])
        if end > len(self.cos):  # a context that slides goes on counting
            rotation = rotations(torch.arange(start, end, device=ids.device), self.cos.shape[-1])
        x = self.dropout(self.embed_tokens(ids))
        for layer, block in enumerate(self.layers):
            x = block(x, rotation, cache, layer)
        if cache is not None:
            cache.length = end
        out: Tensor = self.norm(x)
        return out


class Qwen3(LanguageModel):
    """The model; the head shares its matrix with the token embedding."""

    slides = True

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

    def hidden(self, ids: Tensor, cache: KVCache | None = None) -> Tensor:
        out: Tensor = self.model(ids, cache)
        return out

    @property
    def head_weight(self) -> Tensor:
        return self.lm_head.weight

    def _initialise(self) -> None:
        """Small normal weights; projections into the residual stream start at zero, which trains faster."""
        for name, parameter in self.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                nn.init.zeros_(parameter)
            elif parameter.dim() == 2:
                nn.init.normal_(parameter, std=0.02)


def default_inner(n_embd: int) -> int:
    """8/3 of the width, which gives SwiGLU's three matrices the size of a plain MLP's two, up to a multiple of 32."""
    return -(-8 * n_embd // 96) * 32


def rotations(positions: Tensor, head_dim: int) -> tuple[Tensor, Tensor]:
    """Cosines and signed sines for :func:`rotate`, each of shape (positions, 1, head_dim)."""
    exponents = torch.arange(0, head_dim, 2, dtype=torch.float32, device=positions.device) / head_dim
    angles = torch.outer(positions.float(), ROPE_THETA**-exponents).unsqueeze(1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat((cos, cos), dim=-1), torch.cat((-sin, sin), dim=-1)


def rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Turn the pairs (i, i + half) of heads of shape (batch, tokens, heads, head width) by their position's angle."""
    cos, sin = rotation
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, dims=-1), sin)
