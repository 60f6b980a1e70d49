"""A simulated accelerator: each tensor on it wraps one of the CPU, so numbers are real and every operation is seen.

Operations refuse tensors and generators of two devices, as CUDA does. Whatever would make the host wait for CUDA is
noted and, under `refusing_to_wait`, refused: reading a value, a boolean index, a copy to the host, a copy from memory
that is not pinned. Each operation that is no view is counted as one kernel. It cannot see streams, events, NCCL and
branches on `is_cuda`.

Importing this registers the device for the whole process, before whose first backward pass it must happen: the tests
therefore run it in a process of its own.
"""

from __future__ import annotations

import traceback
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.utils import backend_registration
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_leaves, tree_map

NAME = "card"
OURS = tuple(str(Path(__file__).parents[2] / folder) + "/" for folder in ("selip", "baselines", "benchmarks"))
aten = torch.ops.aten
CROSSING = {aten.copy_.default, aten._to_copy.default, aten.set_.source_Storage}
INDEXING = {
    aten.index.Tensor, aten._unsafe_index.Tensor, aten.index_put.default, aten.index_put_.default,
    aten._index_put_impl_.default,
}  # fmt: skip
READING = {
    aten._local_scalar_dense.default, aten.nonzero.default, aten.masked_select.default, aten._unique2.default,
    aten.unique_dim.default, aten.equal.default, aten.repeat_interleave.Tensor,
}  # fmt: skip
NOT_A_KERNEL = {aten._fused_sdp_choice.default, aten.detach.default, aten.lift_fresh.default, aten.set_.source_Storage}
MATH_ATTENTION = 0


class _Backend(backend_registration._DummyBackendModule):
    def get_amp_supported_dtype(self):
        return [torch.bfloat16, torch.float16]

    def is_autocast_enabled(self):
        return False


backend_registration._setup_privateuseone_for_python_backend(NAME, backend_module=_Backend())
DEVICE = torch.device(NAME, 0)


class MixedDevicesError(RuntimeError):
    """An operation got tensors, or a generator, of two devices."""


class WaitingError(RuntimeError):
    """The host would have waited where it must not."""


class Seen:
    """What operations did since `clear`.

    Attributes:
        kernels: Name of an operation on the device to how often it ran; views are none.
        waits: Why and where the host waited, to how often.
        moved: Bytes that operations on the device took and gave.
        refusing: Whether a wait is an error now.
    """

    def __init__(self):
        self.refusing = False
        self.clear()

    def clear(self):
        self.kernels, self.waits, self.moved = Counter(), Counter(), 0

    def wait(self, reason):
        line = f"{reason} at {_place()}"
        self.waits[line] += 1
        if self.refusing:
            raise WaitingError(line)

    def kernel(self, func, leaves):
        self.kernels[str(func)] += 1
        self.moved += sum(min(one.nbytes, one.untyped_storage().nbytes()) for one in leaves)


SEEN = Seen()
_PINNED_MARK = "is_pinned_for_the_card"


@contextmanager
def refusing_to_wait():
    before, SEEN.refusing = SEEN.refusing, True
    try:
        yield
    finally:
        SEEN.refusing = before


def _place():
    lines = [
        f"{Path(one.filename).name}:{one.lineno}" for one in traceback.extract_stack() if one.filename.startswith(OURS)
    ]
    return " < ".join(lines[::-1][:3]) or "no line of ours"


_PlainGenerator = torch.Generator
_GENERATORS = {}  # of the device, by their address: operations see others around the same one


class Generator(_PlainGenerator):
    """A generator that knows its device; its numbers are the CPU's."""

    def __new__(cls, device="cpu"):
        return _PlainGenerator.__new__(cls, "cpu")

    def __init__(self, device="cpu"):
        if torch.device(device).type == NAME:
            _GENERATORS[self._cdata] = self

    @property
    def device(self):
        return DEVICE if self._cdata in _GENERATORS else torch.device("cpu")


class OnCard(torch.Tensor):
    """A tensor of the device around one of the CPU."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner):
        outer = torch.Tensor._make_wrapper_subclass(
            cls, inner.size(), strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype,
            device=DEVICE, requires_grad=False,
        )  # fmt: skip
        outer.inner = inner
        return outer

    def tolist(self):
        SEEN.wait("tolist")
        return self.inner.tolist()

    def __repr__(self):
        return f"OnCard({self.inner})"

    def __deepcopy__(self, memo):
        copied = OnCard(self.inner.detach().clone())
        if getattr(self, "_is_param", False):
            copied = torch.nn.Parameter(copied, self.requires_grad)
        memo[id(self)] = copied.requires_grad_(self.requires_grad)
        return copied

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


class Card(TorchDispatchMode):
    """Sees every operation, also those that make a first tensor on the device."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


def _run(func, args, kwargs):
    tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)]
    there = any(isinstance(one, OnCard) for one in tensors)
    wanted = torch.device(kwargs["device"]) if kwargs.get("device") is not None else None
    generator = next((one for one in (*args, *kwargs.values()) if isinstance(one, _PlainGenerator)), None)
    result_there = there if wanted is None else wanted.type == NAME
    if generator is not None and (generator._cdata in _GENERATORS) != (there or result_there):
        raise MixedDevicesError(f"{func}: generator of the other device at {_place()}")
    if not there and not result_there:
        return _on_host(func, args, kwargs)
    if func is aten._fused_sdp_choice.default:
        return MATH_ATTENTION
    _check_devices(func, args, tensors)
    _note_waits(func, args, kwargs, there, result_there)
    return _computed(func, args, kwargs, there, result_there)


def _on_host(func, args, kwargs):
    pinned = kwargs.pop("pin_memory", None)
    found = args[0].clone() if func is aten._pin_memory.default else func(*args, **kwargs)
    if pinned or func is aten._pin_memory.default:
        setattr(found, _PINNED_MARK, True)
    return found


def _check_devices(func, args, tensors):
    of_host = [one for one in tensors if not isinstance(one, OnCard) and one.dim()]
    if not of_host or func in CROSSING or all(isinstance(one, OnCard) is False for one in tensors):
        return
    if func in INDEXING and isinstance(args[0], OnCard):
        SEEN.wait(f"index of the CPU into a tensor of the device ({func})")
    else:
        raise MixedDevicesError(
            f"{func}: tensors of both devices, {[tuple(one.shape) for one in of_host]} at {_place()}"
        )


def _note_waits(func, args, kwargs, there, result_there):
    if func in READING:
        SEEN.wait(f"reading of a value or size ({func})")
    if func in INDEXING and any(
        one.dtype in (torch.bool, torch.uint8) for one in tree_leaves(args[1]) if one is not None
    ):
        SEEN.wait(f"boolean index ({func})")
    if func is aten._to_copy.default and there and not result_there:
        SEEN.wait("copy to the host")
    if func is aten._to_copy.default and result_there and not there:
        _note_upload(args[0], kwargs.get("non_blocking"))
    if func is aten.copy_.default and isinstance(args[0], OnCard) is not isinstance(args[1], OnCard):
        SEEN.wait("copy to the host" if isinstance(args[1], OnCard) else "copy to the device in place")


def _note_upload(source, non_blocking):
    if not non_blocking:
        SEEN.wait("blocking copy to the device")
    elif not getattr(source, _PINNED_MARK, False):
        SEEN.wait("copy to the device from memory that is not pinned")


def _computed(func, args, kwargs, there, result_there):
    plain_args, plain_kwargs = tree_map(_unwrap, (args, kwargs))
    if plain_kwargs.get("device") is not None:
        plain_kwargs["device"] = torch.device("cpu")
    plain_kwargs.pop("pin_memory", None)
    if func is aten._to_copy.default:
        plain_kwargs.pop("non_blocking", None)
    if func is aten.copy_.default:
        _unwrap(args[0]).copy_(_unwrap(args[1]))
        return args[0]
    plain = func(*plain_args, **plain_kwargs)
    if not (func.is_view or func in NOT_A_KERNEL or "empty" in str(func)):
        SEEN.kernel(func, [one for one in tree_leaves((plain_args, plain)) if isinstance(one, torch.Tensor)])
    if func is aten._to_copy.default and there is not result_there:
        plain = plain.clone()
    found = tree_map(_wrap, plain) if result_there else plain
    return return_and_correct_aliasing(func, args, kwargs, found) if there and result_there else found


def _unwrap(value):
    return value.inner if isinstance(value, OnCard) else value


def _wrap(value):
    return OnCard(value.detach() if value.requires_grad else value) if type(value) is torch.Tensor else value
