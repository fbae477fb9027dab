from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest
import torch

from ml_playground.errors import UserError
from ml_playground.training.config import Compile, Device, Dtype
from ml_playground.training.device import choose_hardware, compile_pays


def test_auto_never_takes_cuda_unasked() -> None:
    assert choose_hardware(Device.auto, Dtype.auto).device.type in ("cpu", "mps")


@pytest.mark.parametrize(("name", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_a_format_that_is_asked_for_is_used(name: str, dtype: torch.dtype) -> None:
    hardware = choose_hardware(Device.cpu, Dtype[name])
    weights = torch.ones(2, 2)
    with hardware.autocast():
        assert (weights @ weights).dtype is dtype
    assert name in str(hardware)


def test_auto_on_a_cpu_is_bfloat16_only_where_the_processor_multiplies_it() -> None:
    capable = {"amx_bf16", "avx512_bf16"} & {name for name, there in torch.cpu.get_capabilities().items() if there}
    assert choose_hardware(Device.cpu, Dtype.auto).dtype is (torch.bfloat16 if capable else torch.float32)


def test_threads_are_those_asked_for_and_all_cores_otherwise() -> None:
    before = torch.get_num_threads()
    assert "with 1 threads" in str(choose_hardware(Device.cpu, Dtype.auto, threads=1))
    choose_hardware(Device.cpu, Dtype.auto)
    assert torch.get_num_threads() == before


def test_only_long_runs_are_compiled_unasked() -> None:
    cpu = torch.device("cpu")
    assert not compile_pays(Compile.auto, cpu, 1e13)
    assert not compile_pays(Compile.auto, torch.device("mps"), 1e20)
    assert compile_pays(Compile.on, cpu, 1.0)
    assert not compile_pays(Compile.off, cpu, 1e20)


def test_without_a_compiler_nothing_is_compiled_unasked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cpu = torch.device("cpu")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not compile_pays(Compile.auto, cpu, 1e20)
    (tmp_path / "g++").write_text("#!/bin/sh\n")
    (tmp_path / "g++").chmod(0o755)
    headers = Path(sysconfig.get_path("include"), "Python.h").exists()
    assert compile_pays(Compile.auto, cpu, 1e20) is headers


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_named_with_those_that_are(name: str) -> None:
    if {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}[name]:
        pytest.skip(f"this machine has {name}")
    with pytest.raises(UserError, match=rf"there is no '{name}' on this machine; use 'auto' or cpu"):
        choose_hardware(Device[name], Dtype.auto)


def test_more_threads_than_cpus_are_refused() -> None:
    with pytest.raises(UserError, match=r"train\.runtime\.threads = 100000: this machine has \d+ CPUs"):
        choose_hardware(Device.cpu, Dtype.auto, threads=100_000)
