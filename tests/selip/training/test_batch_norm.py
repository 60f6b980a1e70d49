from __future__ import annotations

import pytest
import torch
from torch import nn

from selip.system.errors import InputError
from selip.training.batch_norm import GlobalBatchNorm, share_statistics, without_trace


def seen(norm, values):
    """Output, gradients of input, weight and bias, and the state after one step in training."""
    values = values.clone().requires_grad_()
    output = norm(values)
    (output * torch.linspace(-1, 1, output.numel()).view_as(output)).sum().backward()
    return [output, values.grad, norm.weight.grad, norm.bias.grad, *norm.state_dict().values()]


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5), (2, 3, 4, 4), (2, 3, 4, 5, 2)])
def test_alone_it_is_batch_norm(shape):
    values = 3 + 2 * torch.randn(shape, generator=torch.Generator().manual_seed(0))
    plain = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}[len(shape)](3)
    shared = nn.Sequential(plain.__class__(3))
    with torch.no_grad():
        for norm in (plain, shared[0]):
            norm.weight.copy_(torch.tensor([0.5, 1, 2]))
            norm.bias.copy_(torch.tensor([0.1, 0, -1]))
    share_statistics(shared, torch.device("cpu"))
    assert isinstance(shared[0], GlobalBatchNorm)
    torch.testing.assert_close(seen(shared[0], values), seen(plain, values), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(shared[0].eval()(values), plain.eval()(values))


def test_names_values_and_parameters_stay():
    tower = nn.Sequential(nn.Conv3d(1, 4, 3), nn.Sequential(nn.BatchNorm3d(4), nn.ReLU())).eval()
    before = tower.state_dict()
    parameters = list(tower.parameters())
    share_statistics(tower, torch.device("cpu"))
    after = tower.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert all(one is other for one, other in zip(tower.parameters(), parameters, strict=True))
    assert not tower[1][0].training


def test_a_norm_that_does_more_is_refused():
    class WithActivation(nn.BatchNorm2d):
        def forward(self, values):
            return super().forward(values).relu()

    with pytest.raises(InputError, match="got WithActivation in a tower for several processes"):
        share_statistics(nn.Sequential(WithActivation(3)), torch.device("cpu"))


def test_without_trace_normalises_and_remembers_nothing():
    norm, values = nn.BatchNorm1d(3), torch.randn(8, 3) + 5
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    with without_trace(norm):
        output = norm(values)
    assert all(torch.equal(value, before[name]) for name, value in norm.state_dict().items())
    assert torch.equal(output, norm(values))
    assert norm.num_batches_tracked == 1
