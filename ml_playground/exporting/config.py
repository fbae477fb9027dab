"""``[export]``: where ``mlp export`` writes, and in which form."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from omegaconf import SI

from ml_playground.ranges import SettingError

_MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)?(:[A-Za-z0-9._-]+)?")


class Finetuned(Enum):
    """What is exported of a model that was finetuned with LoRA."""

    merged = "merged"
    """The whole model, with the adapters added to its weights."""
    adapter = "adapter"
    """The adapters alone, for PEFT."""


class Quant(Enum):
    """Type of the matrices in a GGUF file. Those after ``q8_0`` need ``quant_bin``."""

    f32 = "f32"
    f16 = "f16"
    bf16 = "bf16"
    q8_0 = "q8_0"
    q2_k = "q2_k"
    q3_k_s = "q3_k_s"
    q3_k_m = "q3_k_m"
    q3_k_l = "q3_k_l"
    q4_0 = "q4_0"
    q4_1 = "q4_1"
    q4_k_s = "q4_k_s"
    q4_k_m = "q4_k_m"
    q5_0 = "q5_0"
    q5_1 = "q5_1"
    q5_k_s = "q5_k_s"
    q5_k_m = "q5_k_m"
    q6_k = "q6_k"


WRITTEN = (Quant.f32, Quant.f16, Quant.bf16, Quant.q8_0)
"""Types that need no other program."""


@dataclass
class OllamaConfig:
    """``[export.ollama]``: the GGUF file, also that of ``--to gguf``, and the Modelfile around it."""

    enabled: bool = False
    """Whether ``mlp loop`` and ``mlp-run`` end with ``mlp export --to ollama``."""
    export_dir: Path = SI("${export.export_dir}/ollama")
    """Folder of the GGUF file and the Modelfile."""
    model_name: str | None = None
    """Name of the model in Ollama. Unset: made from the experiment's name."""
    quant: Quant = Quant.f16
    """Type of the matrices in the GGUF file."""
    template: str | None = None
    """Ollama's prompt template, in the syntax of Go's text/template. Unset: a user's turn in the chat template that the
    data were rendered with, or else the prompt as it is."""
    system: str = ""
    """System text, for a template with ``{{ .System }}``."""
    convert_bin: Path | None = None
    """Converter to call on the Hugging Face folder, such as llama.cpp's ``convert_hf_to_gguf.py``. Unset: the GGUF file
    is written without one."""
    quant_bin: Path | None = None
    """llama.cpp's ``llama-quantize``, for types that are not written without it."""


@dataclass
class ExportConfig:
    """``[export]``. The checkpoint is that of ``[sample.runtime]``."""

    export_dir: Path = SI("${sample.runtime.out_dir}/export")
    """Folder that gets one folder per format."""
    finetuned: Finetuned = Finetuned.merged
    """What is exported of a model that was finetuned with LoRA."""
    ollama: OllamaConfig = field(default_factory=OllamaConfig)


def check_export(export: ExportConfig) -> None:
    """Check the settings against each other.

    Raises:
        SettingError: If settings contradict each other.
    """
    ollama = export.ollama
    if ollama.model_name is not None and not _MODEL_NAME.fullmatch(ollama.model_name):
        raise SettingError(
            ("export.ollama.model_name",),
            f"'{ollama.model_name}' is not a name for Ollama; use lower-case letters, digits, '.', '_' and '-'",
        )
    if ollama.quant not in WRITTEN and ollama.quant_bin is None:
        raise SettingError(
            ("export.ollama.quant", "export.ollama.quant_bin"),
            f"quant = '{ollama.quant.name}' needs export.ollama.quant_bin = the path of llama.cpp's llama-quantize;"
            f" without it there are {', '.join(quant.name for quant in WRITTEN)}",
        )
    if ollama.system and ".System" not in (ollama.template or ""):
        raise SettingError(
            ("export.ollama.system", "export.ollama.template"),
            "has no effect: export.ollama.template does not contain {{ .System }}; add it, or remove system",
        )
    for name, text in (("system", ollama.system), ("template", ollama.template)):
        if text and '"""' in text:
            raise SettingError((f"export.ollama.{name}",), 'contains """, which ends a text in a Modelfile; remove it')
