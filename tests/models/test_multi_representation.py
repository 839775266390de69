"""Several representations of a sentence: what their mean is, and how it differs from RelGAN's."""

import pytest
import torch
from languages import TinyLanguage

from textgan_lab.models import DISCRIMINATORS
from textgan_lab.models.text_cnn import TextCNN
from textgan_lab.objectives import LOSSES

torch.set_num_threads(1)
DATA = TinyLanguage(words=4, length=5, pool=40)


def build(**options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return DISCRIMINATORS.make("multi_representation", options, data=DATA)


def test_one_network_reads_every_part_of_the_embedding():
    """The logit of a part is that of a D whose whole embedding is this part."""
    d, small = build(embedding=12, representations=3), build(embedding=4, representations=1)
    for name in ("cnn", "hidden", "head"):
        getattr(small, name).load_state_dict(getattr(d, name).state_dict())
    logits = d.logits(DATA.train)
    assert logits.shape == (40, 3)
    for r in range(3):
        small.embed.weight.data = d.embed.weight.data[:, 4 * r : 4 * r + 4].clone()
        torch.testing.assert_close(small(DATA.train), logits[:, r], rtol=0, atol=1e-6)
    torch.testing.assert_close(d(DATA.train), logits.mean(1))


@pytest.mark.parametrize("loss", ["saturating", "non_saturating", "hinge", "wasserstein"])
def test_the_loss_of_the_mean_is_at_most_the_mean_of_the_losses(loss):
    """With equality for the linear one, and for D's convex terms below; by Jensen."""
    logits = 4 * build().logits(DATA.train)
    for side in (LOSSES[loss].real, LOSSES[loss].fake):
        ours, theirs = side(logits.mean(1)).mean(), side(logits).mean()
        if loss == "wasserstein":
            torch.testing.assert_close(ours, theirs)
        else:
            assert ours < theirs + 1e-6


def test_parts_must_be_of_equal_size():
    with pytest.raises(ValueError, match="embedding 10, the total, must be a multiple of repr.*4"):
        build(embedding=10, representations=4)


def test_a_filter_is_no_wider_than_what_it_reads():
    cnn = TextCNN(inputs=3, length=4, widths=(2, 4, 20), filters=5)
    assert cnn.widths == [2, 4, 4] and cnn.size == 15
    assert [f.in_features for f in cnn.filters] == [6, 12, 12]
    assert cnn(torch.randn(7, 4, 3, generator=torch.Generator().manual_seed(0))).shape == (7, 15)
