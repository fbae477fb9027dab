"""Placeholder for llama.cpp's converter, which is not part of this project."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

_ADVICE = """\
This is a placeholder: llama.cpp's converter is not part of this project.
Copy these from a checkout of https://github.com/ggml-org/llama.cpp to this folder, and keep this file's name:
  convert_hf_to_gguf.py    over this file
  conversion/              beside it, where the checkout has that folder
  gguf-py/gguf/            beside it, as gguf/
Then set  [export.ollama] convert_bin = "tools/llama_cpp/convert-hf-to-gguf.py"  in the experiment.
Models of the families gpt and qwen3 need no converter: leave convert_bin unset.
"""


def main() -> NoReturn:
    """Say where the converter comes from; exit 1, because nothing was converted."""
    parser = argparse.ArgumentParser(description=__doc__, epilog=_ADVICE, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", nargs="?", help="folder of a Hugging Face model")
    parser.add_argument("--outfile", help="the GGUF file to write")
    parser.add_argument("--outtype", help="f32, f16, bf16 or q8_0")
    parser.parse_known_args()
    sys.stderr.write(_ADVICE)
    sys.exit(1)


if __name__ == "__main__":
    main()
