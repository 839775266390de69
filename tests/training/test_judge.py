"""What estimators ask D about: few rows or many, with noise on its input or without."""

import pytest
import torch
from languages import TinyLanguage

from textgan_lab.training import Spec, Trainer

torch.set_num_threads(1)


@pytest.mark.parametrize("noise, read", [(0.0, [20]), (1e-7, [8, 8, 4])])
def test_under_noise_d_reads_a_batch_at_a_time(noise, read):
    """As simplex points, ids are as many times larger as there are words."""
    spec = Spec(data="tiny", batch_size=8, knobs={"d_noise": noise}, device="cpu")
    game = Trainer(spec, data=TinyLanguage(eos=True)).game
    rows = game.real[:20]
    with torch.no_grad():
        expected = game.discriminator(rows)
        found = []
        game.discriminator.register_forward_hook(lambda d, x, y: found.append(len(x[0])))
        logits = game.judge(rows)
    assert found == read
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5)
    assert expected.std() > 1e-3
