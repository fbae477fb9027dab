"""Models of Hugging Face, finetuned whole or with LoRA (Hu et al., 2021) through PEFT.

transformers and peft are imported with this module only, which takes seconds.
"""

# transformers types its functions in part; what they return is checked where it comes in.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, cast

import torch
from huggingface_hub.utils.tqdm import enable_progress_bars
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    AttentionInterface,
    AttentionMaskInterface,
    AutoConfig,
    AutoModelForCausalLM,
    DynamicCache,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.pytorch_utils import Conv1D
from transformers.utils import logging as transformers_logging
from transformers.utils.hub import cached_file

from ml_playground.durable import open_regular
from ml_playground.errors import RunFolderError, UserError, first_line
from ml_playground.models.base import Cache, GenerationDefaults, LanguageModel, ModelFamily
from ml_playground.models.config import HuggingFaceConfig, Method, ModelArgs
from ml_playground.models.kernels.attention import causal_attention
from ml_playground.models.kernels.lora import fuse_lora
from ml_playground.models.registry import families
from ml_playground.terminal.console import console, say
from ml_playground.text.hub import is_local

_KEY = "train.model.path"
_ATTENTION = "ml_playground"
_SCALES = ("logit_scale", "logits_scaling", "final_logit_softcapping")
"""Settings by which some architectures change their logits after the head."""

_GENERATION = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")
"""Settings of a ``generation_config.json`` that sampling has, too."""

transformers_logging.disable_progress_bar()
if console.is_terminal:  # of downloads only
    enable_progress_bars()
transformers_logging.set_verbosity_error()


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **settings: Any,  # what an architecture hands to its attention
) -> tuple[Tensor, None]:
    """This project's attention where it computes the same, else torch's; shape (batch, tokens, heads, head width).

    Its products are in bfloat16 under autocast on CPUs, where torch's backward is several times slower.
    """
    plain = scaling in (None, query.shape[-1] ** -0.5) and not settings.get("sliding_window")
    if plain and 1 < query.shape[2] == key.shape[2]:
        return causal_attention(query, key, value, dropout, attention_mask).transpose(1, 2).contiguous(), None
    return sdpa_attention_forward(
        module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **settings
    )


AttentionInterface.register(_ATTENTION, _attention)
AttentionMaskInterface.register(_ATTENTION, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])


class TransformersCache:
    """Keys and values in the layers of transformers' own cache."""

    def __init__(self, config: PretrainedConfig, window: int) -> None:
        """``window``: how many tokens it is used for."""
        self.window = window
        self.length = 0
        self.rows = 1
        self.layers = DynamicCache(config=config)

    def expand(self, rows: int) -> None:
        """Repeat the only row, which stands for all, for a batch of so many."""
        if self.length and rows > self.rows:
            self.layers.batch_repeat_interleave(rows)
        self.rows = rows


class PretrainedLanguageModel(LanguageModel):
    """A causal model of transformers behind this project's interface."""

    sliding_window = False

    def __init__(self, args: ModelArgs, causal: PreTrainedModel) -> None:
        super().__init__()
        self._args = args
        self.block_size = int(args["block_size"])
        self.causal = causal
        embedding = causal.get_input_embeddings()
        assert isinstance(embedding, nn.Embedding)
        self.vocab_size = embedding.num_embeddings

    @property
    def args(self) -> ModelArgs:
        return self._args

    @property
    def generation(self) -> GenerationDefaults:
        config = self.causal.generation_config
        values: dict[str, object] = {name: getattr(config, name, None) for name in _GENERATION}
        end: object = getattr(config, "eos_token_id", None)
        ends = cast("list[object]", end) if isinstance(end, list) else [end]
        return GenerationDefaults(
            {name: value for name, value in values.items() if isinstance(value, (int, float))},
            frozenset(token for token in ends if isinstance(token, int)),
        )

    def new_cache(self, batch: int, window: int) -> TransformersCache:  # noqa: ARG002  # its rows come with the keys
        return TransformersCache(self.causal.config, window)

    def hidden(self, ids: Tensor, cache: Cache | None = None, positions: Tensor | None = None) -> Tensor:
        assert cache is None or isinstance(cache, TransformersCache)
        if cache is None:
            # transformers recognizes several texts in a row by their positions, and keeps them apart.
            out = self.causal.base_model(input_ids=ids, position_ids=positions, use_cache=False)
        else:
            cache.expand(len(ids))
            out = self.causal.base_model(input_ids=ids, past_key_values=cache.layers, use_cache=True)
            cache.length += ids.shape[1]
        return cast("Tensor", out.last_hidden_state)

    def disable_adapters(self) -> None:
        adapted = [module for module in self.causal.modules() if isinstance(module, BaseTunerLayer)]
        if not adapted:
            super().disable_adapters()
        for module in adapted:
            module.enable_adapters(enabled=False)

    @property
    def head_weight(self) -> Tensor:
        return cast("Tensor", self._head.weight)

    def head(self, hidden: Tensor) -> Tensor:
        """Logits over the vocabulary, shape (..., vocab_size), for hidden states of shape (..., width)."""
        return cast("Tensor", self._head(hidden))

    def loss(self, ids: Tensor, targets: Tensor, positions: Tensor | None = None) -> Tensor:
        if type(self._head) is nn.Linear and cast("Tensor | None", self._head.bias) is None:
            return super().loss(ids, targets, positions)
        logits = self.head(self.hidden(ids, positions=positions)).flatten(0, 1).float()
        return F.cross_entropy(logits, targets.flatten(), ignore_index=-1)

    @property
    def _head(self) -> nn.Module:
        """A linear layer, or one of PEFT around it."""
        head: object = self.causal.get_output_embeddings()
        assert isinstance(head, nn.Module)
        return head


class HuggingFaceFamily(ModelFamily):
    """Any architecture of transformers' ``AutoModelForCausalLM`` that is part of transformers itself."""

    config = HuggingFaceConfig

    def create(self, args: ModelArgs) -> PretrainedLanguageModel:
        """Load the pretrained model, with fresh adapters where the method has them.

        Raises:
            UserError: it cannot be loaded, or does not fit the settings.
        """
        _announce(args)
        model = _adapted(_load(args), args)
        return PretrainedLanguageModel({**args, "base_sha256": _digest(args)}, model)

    def restore(self, args: ModelArgs) -> PretrainedLanguageModel:
        """The same for a checkpoint, which has the trained weights only.

        Raises:
            UserError: it cannot be loaded.
            RunFolderError: the pretrained model is another one than that which was finetuned.
        """
        model = _load(args)  # which may download it
        if (digest := _digest(args)) != args["base_sha256"]:
            raise RunFolderError(
                f"{_KEY} = {args['path']}: its weights have changed since the checkpoint was written (SHA-256"
                f" {digest[:12]}, not {str(args['base_sha256'])[:12]}); restore them, or start over in"
                " another out_dir"
            )
        return PretrainedLanguageModel(args, _adapted(model, args))

    def parameter_count(self, args: ModelArgs) -> int:
        return self.parameter_counts(args)[0]

    def parameter_counts(self, args: ModelArgs) -> tuple[int, int]:
        with torch.device("meta"):  # without its numbers
            parameters = list(_adapted(AutoModelForCausalLM.from_config(_config(args)), args).parameters())
        return sum(p.numel() for p in parameters), sum(p.numel() for p in parameters if p.requires_grad)


def _config(args: ModelArgs) -> PretrainedConfig:
    """Raises:
    UserError: there is none that can be used.
    """
    path = Path(str(args["path"]))
    try:
        config = AutoConfig.from_pretrained(str(path), **_source(args))
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{_KEY} = {path}: has no configuration that can be used: {first_line(error)[:200]}") from None
    scales = [name for name in _SCALES if getattr(config, name, None) not in (None, 1, 1.0)]
    if scales:
        raise UserError(
            f"{_KEY} = {path}: {scales[0]} = {getattr(config, scales[0])} is not supported; use another model"
        )
    longest = getattr(config, "max_position_embeddings", None)
    if longest and int(args["block_size"]) > longest:
        raise UserError(
            f"train.model.block_size = {args['block_size']}: {path} has positions for {longest} tokens; use"
            f" train.data.block_size = {longest} at most"
        )
    if int(args["vocab_size"]) > config.vocab_size:
        raise UserError(
            f"{_KEY} = {path}: its vocabulary of {config.vocab_size:,} is smaller than that of the data,"
            f' {int(args["vocab_size"]):,}; prepare the data with [prepare] tokenizer = "hf" and this tokenizer_path'
        )
    assert isinstance(config, PretrainedConfig)
    return config


def _announce(args: ModelArgs) -> None:
    """Say what a model of the hub takes, before it is downloaded."""
    if not is_local(Path(str(args["path"])), _KEY):
        config = _config(args)
        total, trained = HuggingFaceFamily().parameter_counts(args)
        width = config.dtype.itemsize if isinstance(config.dtype, torch.dtype) else torch.float32.itemsize
        say(
            f"pretrained model: {args['path']}, {total / 1e6:,.1f} M parameters; a download of about"
            f" {width * total / 1e9:,.2f} GB, once; at least {4 * (total + 3 * trained) / 1e9:,.2f} GB of memory, and"
            " more for its activations"
        )


def _source(args: ModelArgs) -> dict[str, object]:
    """Where from, for all ``from_pretrained``; code that comes with a model is never run."""
    local = is_local(Path(str(args["path"])), _KEY)
    return {"revision": args["revision"], "trust_remote_code": False, "local_files_only": local}


def _load(args: ModelArgs) -> PreTrainedModel:
    config, path = _config(args), str(args["path"])
    try:
        causal = AutoModelForCausalLM.from_pretrained(
            path,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            attn_implementation=_ATTENTION,
            **_source(args),
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(
            f"{_KEY} = {path}: has no weights in safetensors that can be used: {first_line(error)[:200]}"
        ) from None
    assert isinstance(causal, PreTrainedModel)
    causal.train()
    return causal


def _adapted(causal: PreTrainedModel, args: ModelArgs) -> PreTrainedModel:
    """Freeze all but the adapters, which are put in place, unless the whole model is trained."""
    if args["gradient_checkpointing"]:
        causal.activation_checkpointing_enable()
        causal.enable_input_require_grads()
    if args["peft.method"] == Method.full.name:
        return causal
    try:
        inject_adapter_in_model(lora_config(args, causal), causal)
    except ValueError:
        wanted = args["peft.target_modules"]
        linear = {name.rpartition(".")[2] for name, module in causal.named_modules() if isinstance(module, nn.Linear)}
        raise UserError(
            f"train.model.peft.target_modules = {wanted}: {args['path']} has no such modules; there are:"
            f" {', '.join(sorted(linear))}"
        ) from None
    if not args["peft.use_dora"]:
        fuse_lora(causal)
    return causal


def lora_config(args: ModelArgs, causal: nn.Module) -> LoraConfig:
    """The adapters of a model, as PEFT describes them."""
    wanted = str(args["peft.target_modules"]).split(",")
    return LoraConfig(
        r=int(args["peft.r"]),
        lora_alpha=float(args["peft.alpha"]),  # type: ignore[arg-type]  # any number
        lora_dropout=float(args["peft.dropout"]),
        target_modules="all-linear" if wanted == ["all-linear"] else wanted,
        use_rslora=bool(args["peft.use_rslora"]),
        use_dora=bool(args["peft.use_dora"]),
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in causal.modules()),  # GPT-2's, which are transposed
        task_type="CAUSAL_LM",
    )


def _digest(args: ModelArgs) -> str:
    """SHA-256 of the configuration and of all weights of a pretrained model, in the order of their names."""
    digest = hashlib.sha256()
    for path in _files(args):
        with open_regular(path) as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _files(args: ModelArgs) -> list[Path]:
    folder = Path(str(args["path"]))
    if not folder.is_dir():
        name = cached_file(str(folder), "config.json", revision=str(args["revision"]))
        assert name is not None
        folder = Path(name).parent
    return sorted([folder / "config.json", *folder.glob("*.safetensors")])


families.register("hf")(HuggingFaceFamily())
