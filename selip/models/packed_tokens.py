"""The tokens of a batch of texts without its padding, and a layer of torch's transformer on them."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F


class PackedTokens:
    """The T tokens of a padded batch of texts, without its padding.

    Attributes:
        mask: (n, L) bool, true at the first token of each text.
        rows: (T,) int64 rows of the tokens among the n * L of the batch, rising.
        first: (n,) int64 positions in `rows` of the first token of each text.
    """

    def __init__(self, mask: torch.Tensor) -> None:
        self.mask = mask
        self.rows = mask.flatten().nonzero().squeeze(1)
        lengths = mask.sum(1)
        self.first = lengths.cumsum(0) - lengths

    def padded(self, packed: torch.Tensor) -> torch.Tensor:
        """(n, L, F) of states (T, F); zero where there is no token."""
        empty = packed.new_zeros(self.mask.numel(), packed.shape[1])
        return empty.index_copy(0, self.rows, packed).view(*self.mask.shape, -1)

    def through(self, layer: Any, states: torch.Tensor, only_first: bool) -> torch.Tensor:  # noqa: ANN401
        """States behind a pre-norm layer of torch without dropout, of all (T, F) or the first of each text (n, F)."""
        normed = layer.norm1(states)
        if only_first:
            states, asking = states[self.first], normed[self.first]
        else:
            asking = normed
        states = states + self._attended(layer.self_attn, asking, normed)
        step: torch.Tensor = layer.linear2(layer.activation(layer.linear1(layer.norm2(states))))
        return states + step

    def _attended(self, attention: Any, asking: torch.Tensor, asked: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
        """Self-attention of states `asking`, of the first tokens (n, F) or all (T, F), to all states (T, F)."""
        width, one_each = asking.shape[1], len(asking) == len(self.mask)
        weight, bias = attention.in_proj_weight, attention.in_proj_bias
        queries = F.linear(asking, weight[:width], bias[:width])
        keys_and_values = self.padded(F.linear(asked, weight[width:], bias[width:])).chunk(2, 2)
        padded = (queries.unsqueeze(1) if one_each else self.padded(queries), *keys_and_values)
        query, key, value = (part.unflatten(2, (attention.num_heads, -1)).transpose(1, 2) for part in padded)
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=self.mask[:, None, None])
        rows = found.transpose(1, 2).flatten(2).flatten(0, 1)
        projected: torch.Tensor = attention.out_proj(rows if one_each else rows[self.rows])
        return projected
