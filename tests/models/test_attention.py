"""Attention and the three generators that are made of it, against stock layers and plain loops."""

import pytest
import torch
import torch.nn.functional as F
from dialogues import TinyDialogue
from languages import PAD, TinyLanguage, seeded
from torch import nn

from textgan_lab.models import GENERATORS
from textgan_lab.models.attention import attend
from textgan_lab.models.transformer import Block

torch.set_num_threads(1)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def make(name, data, **options):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return GENERATORS.make(name, options, data=data).double()


def test_two_keys_by_hand():
    """Scores 2 and 0 over sqrt(4) = 1 and 0: the values weigh e / (e + 1) and 1 / (e + 1)."""
    query = torch.tensor([[[2.0, 0, 0, 0]]])
    key = torch.tensor([[[1.0, 0, 0, 0], [0, 1.0, 0, 0]]])
    value = torch.tensor([[[1.0, 0, 0, 0], [0, 0, 0, 1.0]]])
    e = torch.tensor(1.0).exp().item()
    expected = [e / (e + 1), 0, 0, 1 / (e + 1)]
    assert attend(query, key, value).flatten().tolist() == pytest.approx(expected)


def test_heads_are_those_of_stock_attention():
    q, k, v = normal(3, 5, 8), normal(3, 7, 8, seed=1), normal(3, 7, 8, seed=2)
    bias = normal(3, 1, 5, 7, seed=3)
    heads = (x.view(3, -1, 4, 2).transpose(1, 2) for x in (q, k, v))
    stock = F.scaled_dot_product_attention(*heads, attn_mask=bias)
    ours = attend(q, k, v, heads=4, bias=bias)
    torch.testing.assert_close(ours, stock.transpose(1, 2).reshape(3, 5, 8), rtol=0, atol=1e-12)


def test_a_block_is_the_stock_layer_with_the_norm_first():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        block = Block(8, heads=2, hidden=12).double()
        stock = nn.TransformerEncoderLayer(
            8, 2, 12, dropout=0.0, activation="gelu", batch_first=True, norm_first=True,
            dtype=torch.float64,
        )  # fmt: skip
    for p in block.parameters():
        p.data.normal_(generator=seeded(1))
    with torch.no_grad():
        stock.self_attn.in_proj_weight.copy_(block.project.weight)
        stock.self_attn.in_proj_bias.zero_()
        for theirs, ours in (
            (stock.self_attn.out_proj, block.join), (stock.norm1, block.norm_attention),
            (stock.norm2, block.norm_net), (stock.linear1, block.net[0]),
            (stock.linear2, block.net[2]),
        ):  # fmt: skip
            theirs.load_state_dict(ours.state_dict())
    x = normal(3, 6, 8)
    causal = torch.full((6, 6), -torch.inf, dtype=torch.float64).triu(1)
    ours, past = block(x, x.new_zeros(3, 0, 16))
    torch.testing.assert_close(ours, stock(x, src_mask=causal), rtol=0, atol=1e-10)
    later, _ = block(x[:, 4:], past[:, :4])  # two positions after four that were kept
    torch.testing.assert_close(later, ours[:, 4:], rtol=0, atol=1e-12)


def test_a_transformer_tells_positions_apart():
    data = TinyLanguage(words=2, length=6, pool=5)
    logits = make("transformer", data).logits(torch.full((1, 6), 4))
    assert (logits[0, 2] - logits[0, 1]).abs().max() > 1e-3


def test_heads_must_divide_the_embedding():
    with pytest.raises(ValueError, match="embedding 9 must be a multiple of heads, which is 2"):
        make("transformer", TinyLanguage(), embedding=9)


@pytest.mark.parametrize("slots", [1, 3])
def test_a_step_of_the_relational_memory_by_plain_loops(slots):
    g = make("relational", TinyLanguage(), heads=2, head_size=3, slots=slots)
    for p in g.parameters():
        p.data.normal_(generator=seeded(2))
    token, memory = normal(1, g.embed.embedding_dim), normal(1, slots, 6, seed=1)
    features, (after,) = g.step(g.feed(token), (memory,))
    entry, write_x, keep_x = g.read(token)[0].split(6)
    rows = [*memory[0], entry]
    key, value = (g.match(torch.stack(rows))[:, part] for part in (slice(6), slice(6, 12)))
    for row, found in zip(memory[0], after[0], strict=True):
        query, heard = g.query(row), []
        for head in (slice(3), slice(3, 6)):
            weight = torch.stack([query[head] @ k[head] / 3**0.5 for k in key]).softmax(0)
            heard.append(sum(w * v[head] for w, v in zip(weight, value, strict=True)))
        a = g.norm_attention(row + torch.cat(heard))
        new = g.norm_net(a + g.net(a))
        write, keep = g.gates(row.tanh()).split(6)
        expected = (write_x + write).sigmoid() * new.tanh() + (keep_x + keep + 1).sigmoid() * row
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)
    assert torch.equal(features, after.flatten(1))
    (blank,) = g.start(2, None)
    assert torch.equal(blank[1], torch.eye(slots, 6, dtype=torch.float64))


def test_a_reply_looks_back_at_the_words_of_the_prompt():
    """Features of one step by the formula, for a prompt with padding and one without."""
    data = TinyDialogue()
    g = make("attention", data)
    prompts = data.prompts[[0, 2]]
    h, c, read, padding = g.start(2, prompts)
    token = g.feed(g.embed(torch.tensor([4, 5])))
    features, state = g.step(token, (h, c, read, padding))
    for i, prompt in enumerate(prompts):
        words = [s for s in range(2) if prompt[s] != PAD]
        query = g.query(state[0][i])
        weight = torch.stack([query @ read[i, s] / 64**0.5 for s in words]).softmax(0)
        context = sum(w * read[i, s] for w, s in zip(weight, words, strict=True))
        expected = g.join(torch.cat([context, state[0][i]])).tanh()
        torch.testing.assert_close(features[i], expected, rtol=0, atol=1e-12)
    assert not (read[0] - read[1]).abs().max() < 1e-3


@pytest.mark.parametrize("name", ["lstm", "attention", "transformer", "relational"])
def test_replies_are_learned_by_likelihood(name):
    """KL(p, q) over replies, exact, falls below a fifth of what it was, under every prompt."""
    data = TinyDialogue(eos=True, pool=4000)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        g = GENERATORS.make(name, data=data)
    optimiser, noise = torch.optim.Adam(g.parameters(), lr=0.01), seeded(1)

    def kl():
        with torch.no_grad():
            q = g.log_prob(data.rows.flatten(0, 1)).view_as(data.log_p)
        return (data.log_p.exp() * (data.log_p - q)).sum(1)

    before = kl()
    for _ in range(120):
        rows = torch.randint(4000, (64,), generator=noise)
        optimiser.zero_grad()
        g.nll_loss(data.train[rows], noise, rows).backward()
        optimiser.step()
    assert (kl() < before / 5).all(), (before, kl())
