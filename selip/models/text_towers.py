"""Text towers: a small transformer from scratch, packaged MiniLM, or any encoder on the Hugging Face hub."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from torch import nn

from selip.models.packed_tokens import PackedTokens
from selip.models.settings import ModelConfig
from selip.similarity.sentence_embeddings import minilm_folder
from selip.system.errors import InputError, UnavailableError

MAX_TOKENS = 192
VOCABULARY_SIZE = 4096
SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


class Tokens:
    """Texts to padded token ids. Serialised as JSON inside a checkpoint, so a model needs no file beside it."""

    def __init__(self, tokenizer: Tokenizer, words: Sequence[str] = ()) -> None:
        """Wraps a `tokenizers.Tokenizer`.

        Args:
            tokenizer: It must pad with id 0 and add its own special tokens.
            words: Words met in training; empty for a pretrained tokenizer, which knows its own.
        """
        self.tokenizer = tokenizer
        self.words = frozenset(words)
        self.tokenizer.enable_truncation(MAX_TOKENS)
        self.tokenizer.enable_padding()

    @classmethod
    def trained_on(cls, texts: Sequence[str]) -> Tokens:
        """A BPE vocabulary of the training texts and nothing else.

        BPE and not WordPiece: the library's WordPiece trainer numbers its tokens in another order in every process.
        """
        tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.BpeTrainer(vocab_size=VOCABULARY_SIZE, special_tokens=SPECIAL_TOKENS, show_progress=False)
        tokenizer.train_from_iterator(sorted(set(texts)), trainer)
        tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
        return cls(tokenizer, sorted(_words(tokenizer, texts)))

    def __call__(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids (n, L) int64 and mask (n, L) bool, padded to the longest."""
        encoded = self.tokenizer.encode_batch(list(texts))
        ids = torch.tensor([one.ids for one in encoded], dtype=torch.long)
        mask = torch.tensor([one.attention_mask for one in encoded], dtype=torch.bool)
        return ids, mask

    def unseen_words(self, text: str) -> list[str]:
        """Words of `text` that no training text held, in order; none for a pretrained tokenizer."""
        if not self.words:
            return []
        return [word for word in _split(self.tokenizer, text) if word not in self.words]

    def without_unseen_words(self, text: str) -> str:
        """`text` normalised, less the words that no training text held."""
        if not self.words:
            return text
        return " ".join(word for word in _split(self.tokenizer, text) if word in self.words)

    def to_json(self) -> str:
        """The tokenizer with its words."""
        return json.dumps({"tokenizer": self.tokenizer.to_str(), "words": sorted(self.words)})

    @classmethod
    def from_json(cls, text: str) -> Tokens:
        """Tokens from `to_json`."""
        values = json.loads(text)
        return cls(Tokenizer.from_str(values["tokenizer"]), values["words"])


def _split(tokenizer: Tokenizer, text: str) -> list[str]:
    normal = tokenizer.normalizer.normalize_str(text)
    return [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal)]


def _words(tokenizer: Tokenizer, texts: Sequence[str]) -> set[str]:
    return {word for text in set(texts) for word in _split(tokenizer, text)}


class ScratchTower(nn.Module):
    """Pre-norm transformer over BPE tokens; the feature is its [CLS] output.

    On a CPU only what is asked for is computed, the same up to rounding: nothing of padding and, for features, of the
    last layer nothing but them. A GPU takes whole padded texts, as it would have to be waited for to count tokens.
    """

    def __init__(self, vocabulary: int, width: int, layers: int) -> None:
        super().__init__()
        self.features = width
        self.embed = nn.Embedding(vocabulary, width, padding_idx=0)
        self.position = nn.Parameter(torch.randn(MAX_TOKENS, width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            width, width // 32, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.body: Any = nn.TransformerEncoder(layer, layers, norm=nn.LayerNorm(width), enable_nested_tensor=False)
        nn.init.normal_(self.embed.weight, std=0.02)

    def hidden(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Hidden states (n, L, F) of token ids (n, L) with mask (n, L); those of padding say nothing."""
        if ids.device.type == "cpu":
            tokens = PackedTokens(mask)
            return tokens.padded(self._packed(ids, tokens, only_first=False))
        embedded = self.embed(ids) + self.position[: ids.shape[1]]
        states: torch.Tensor = self.body(embedded, src_key_padding_mask=~mask)
        return states

    def pool(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Features (n, F) of hidden states (n, L, F) with mask (n, L)."""
        return hidden[:, 0]

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Features (n, F) of token ids (n, L) with mask (n, L)."""
        if ids.device.type == "cpu":
            return self._packed(ids, PackedTokens(mask), only_first=True)
        return self.pool(self.hidden(ids, mask), mask)

    def _packed(self, ids: torch.Tensor, tokens: PackedTokens, only_first: bool) -> torch.Tensor:
        """Hidden states (T, F) of all tokens, or (n, F) of the first of each text."""
        states = self.embed(ids.flatten()[tokens.rows]) + self.position[tokens.rows % ids.shape[1]]
        *inner, last = self.body.layers
        for layer in inner:
            states = tokens.through(layer, states, only_first=False)
        normed: torch.Tensor = self.body.norm(tokens.through(last, states, only_first))
        return normed


class PretrainedTower(nn.Module):
    """A transformers encoder; the feature is its mean over tokens (MiniLM) or its first token (BERT-like)."""

    def __init__(self, encoder: Any, pooling: str, frozen: bool) -> None:  # noqa: ANN401
        super().__init__()
        self.encoder = encoder.requires_grad_(not frozen)
        self.pooling, self.frozen = pooling, frozen
        self.features = int(encoder.config.hidden_size)
        self.train()

    def train(self, mode: bool = True) -> PretrainedTower:
        """Frozen means eval mode: no dropout, no moving statistics."""
        super().train(mode)
        self.encoder.train(mode and not self.frozen)
        return self

    def hidden(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Hidden states (n, L, F) of token ids (n, L) with mask (n, L)."""
        states: torch.Tensor = self.encoder(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        return states

    def pool(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Features (n, F) of hidden states (n, L, F) with mask (n, L)."""
        if self.pooling == "first":
            return hidden[:, 0]
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        return (hidden * weights).sum(1) / weights.sum(1)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Features (n, F) of token ids (n, L) with mask (n, L)."""
        return self.pool(self.hidden(ids, mask), mask)


def make_text_tower(config: ModelConfig, tokens: Tokens) -> ScratchTower | PretrainedTower:
    """The text tower that `config.text_tower` names, for the tokens of `make_tokens`."""
    if config.text_tower == "scratch":
        return ScratchTower(tokens.tokenizer.get_vocab_size(), config.text_width, config.text_layers)
    pooling = "mean" if config.text_tower == "minilm" else "first"
    return PretrainedTower(_pretrained(config.text_tower, "model"), pooling, config.freeze_text)


def make_tokens(config: ModelConfig, train_texts: Sequence[str]) -> Tokens:
    """Tokens for `config.text_tower`; a scratch vocabulary is trained on `train_texts`."""
    if config.text_tower == "scratch":
        return Tokens.trained_on(train_texts)
    return Tokens(_pretrained(config.text_tower, "tokenizer").backend_tokenizer)


def _pretrained(name: str, part: str) -> Any:  # noqa: ANN401 (transformers' classes are untyped)
    from transformers import AutoModel, AutoTokenizer

    source = minilm_folder() if name == "minilm" else name.removeprefix("hf:")
    if name != "minilm" and not name.startswith("hf:"):
        raise InputError(f"got model.text_tower={name}; allowed: scratch, minilm, hf:NAME")
    try:
        if part == "tokenizer":
            return AutoTokenizer.from_pretrained(source)
        return AutoModel.from_pretrained(source, dtype=torch.float32)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UnavailableError(
            f"got model.text_tower={name}, which cannot be loaded here ({reason}); "
            "allowed without a hub: scratch, minilm, hf:/path/to/a/local/model"
        ) from error
