"""SeqGAN at its published sizes: this library against a plain implementation, on the same weights.

    python tests/benchmarks/seqgan.py [--quick]

Vocabulary 5,000, sentences of 20, batch 64, 16 completions of every prefix, G an LSTM of 32, D with
1,720 filters. The plain peer below is what one would write first: a loop over rollouts and
prefixes, `torch.multinomial`, `conv2d`, stock Adam, all logits at once. Rewards and likelihoods of
both are compared first; then both take turns in one process, timed by its CPU clock, so that
whatever else the machine does hits both. A floor is what the products, exponentials and memory
traffic that the faster algorithm cannot do without cost at rates measured in the same run. Writes
``results/seqgan.md``; ``--quick`` takes a small part of everything, once, and writes nothing.
"""

import copy
import datetime
import os
import platform
import statistics
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from torch import nn

import textgan_lab as tl
from textgan_lab.data import LSTMOracle
from textgan_lab.data.law import BOS
from textgan_lab.metrics import bleu, self_bleu
from textgan_lab.models import Rollout

T, BATCH, ROLLOUTS, MANY, D_EPOCH, MLE_EPOCH = 20, 64, 16, 10_000, 20_000, 9_984
HERE = Path(__file__).parent


class Plain:
    """The peer: weights of its own, equal to those of G and D at first."""

    def __init__(self, g, d):
        self.never = g.never
        self.embed = copied(nn.Embedding, g.embed.weight)
        self.lstm = nn.LSTM(*g.lstm.weight_ih_l0.shape[::-1][:1], g.lstm.hidden_size)
        self.lstm.to(g.embed.weight.dtype).load_state_dict(g.lstm.state_dict())
        self.head = copied(nn.Linear, g.head.weight, g.head.bias)
        self.g = nn.ModuleList([self.embed, self.lstm, self.head])
        self.words = copied(nn.Embedding, d.embed.weight * d.embed.counts)
        self.filters = nn.ModuleList()
        for width, bank in zip(d.widths, d.filters, strict=True):
            conv = nn.Conv2d(1, bank.out_features, (width, self.words.embedding_dim))
            conv.to(bank.weight.dtype)
            conv.weight.data.copy_(bank.weight.view_as(conv.weight))
            conv.bias.data.copy_(bank.bias)
            self.filters.append(conv)
        way = d.highway
        self.transform = copied(nn.Linear, way.transform.weight, way.transform.bias)
        self.gate = way.gate and copied(nn.Linear, way.gate.weight, way.gate.bias)
        self.dropout = nn.Dropout(0.25)
        self.out = copied(nn.Linear, d.head.weight, d.head.bias)
        parts = [self.words, self.filters, self.transform, self.dropout, self.out]
        self.d = nn.ModuleList(parts + ([self.gate] if self.gate else [])).eval()
        self.g_adam = torch.optim.Adam(self.g.parameters(), 1e-2)
        self.d_adam = torch.optim.Adam(self.d.parameters(), 1e-4)

    def logits(self, ids):
        """Return next-token logits [batch, time, vocab], teacher-forced."""
        before = torch.cat([torch.full_like(ids[:, :1], BOS), ids[:, :-1]], 1)
        return self.head(self.lstm(self.embed(before).transpose(0, 1))[0]).transpose(0, 1)

    def log_q(self, ids):
        """Return the log-probability of each token."""
        return (self.logits(ids) + self.never).log_softmax(2).gather(2, ids[..., None])[..., 0]

    @torch.no_grad()
    def sample(self, n, kept=None):
        """Draw n sentences that begin with the tokens ``kept``."""
        first = torch.full((n, 1), BOS)
        ids = first if kept is None else torch.cat([first, kept], 1)
        h, state = self.lstm(self.embed(ids).transpose(0, 1))
        while True:
            p = (self.head(h[-1]) + self.never).softmax(1)
            token = torch.multinomial(p, 1)
            ids = torch.cat([ids, token], 1)
            if ids.shape[1] > T:
                return ids[:, 1:]
            h, state = self.lstm(self.embed(token).transpose(0, 1), state)

    def judge(self, ids):
        """Return D's logits."""
        x = self.words(ids)[:, None]
        x = torch.cat([conv(x).relu().squeeze(3).amax(2) for conv in self.filters], 1)
        h = self.transform(x)
        gate = (self.gate(x) if self.gate else h).sigmoid()
        return self.out(self.dropout(gate * h.relu() + (1 - gate) * x)).squeeze(1)

    @torch.no_grad()
    def rewards(self, ids, rollouts, complete):
        """Return 2 P(real) - 1, the mean over completions of every prefix: [batch, time]."""
        total = torch.zeros(ids.shape, dtype=self.out.weight.dtype)
        for r in range(rollouts):
            for t in range(1, T):
                total[:, t - 1] += 2 * self.judge(complete(r, t)).sigmoid() - 1
            total[:, T - 1] += 2 * self.judge(ids).sigmoid() - 1
        return total / rollouts

    def g_update(self, rollouts):
        """Sample, reward, and follow the policy gradient."""
        ids = self.sample(BATCH)
        reward = self.rewards(ids, rollouts, lambda r, t: self.sample(BATCH, ids[:, :t]))
        self.step(self.g, self.g_adam, -(reward * self.log_q(ids)).sum(1).mean(), 5.0)

    def mle_update(self, ids):
        """Move up the likelihood of a batch."""
        self.step(self.g, self.g_adam, -self.log_q(ids).mean(), 5.0)

    def d_update(self, real, fake):
        """Move D towards telling both halves of a batch."""
        self.d.train()
        ids, label = torch.cat([real, fake]), torch.ones(len(real) + len(fake))
        label[len(real) :] = 0
        loss = 2 * F.binary_cross_entropy_with_logits(self.judge(ids), label)
        self.step(self.d, self.d_adam, loss, 10.0)
        self.d.eval()

    @staticmethod
    def step(module, adam, loss, clip):
        """Take one step of Adam down a clipped gradient."""
        adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(module.parameters(), clip)
        adam.step()


def copied(layer, weight, bias=None):
    """Return a stock layer with these weights."""
    sizes = weight.shape if layer is nn.Embedding else weight.shape[::-1]
    made = layer(*sizes).to(weight.dtype)
    made.weight.data.copy_(weight)
    if bias is not None:
        made.bias.data.copy_(bias)
    return made


def game(data, gate, batch):
    """Return the library's game at these sizes, its settings as published."""
    spec = tl.Spec(
        data="oracle",
        generator={"lstm": {"embedding": 32, "hidden": 32}},
        discriminator={"seqgan_cnn": {"gate": gate}},
        estimator={"rollouts": {"completions": ROLLOUTS}},
        batch_size=batch,
        mle_steps=1,
        knobs={"g_lr": 1e-2, "d_lr": 1e-4, "mle_lr": 1e-2, "d_dropout": 0.25},
        device="cpu",
    )
    return tl.Trainer(spec, data=data).game


# ---- equality ----------------------------------------------------------------------------------


@torch.no_grad()
def differences(g, d):
    """Return the largest differences of rewards, and of the likelihood, on the same sentences.

    In double precision, where they are the same model or are not, and in single.
    """
    noise, found = torch.Generator().manual_seed(1), {}
    ids = g.sample(BATCH, noise)
    ends = g.complete(ids, 2, noise)
    for dtype in (torch.float64, torch.float32):
        one, other = copy.deepcopy(g).to(dtype), copy.deepcopy(d).to(dtype)
        plain = Plain(one, other)
        theirs = plain.rewards(ids, 2, lambda r, t: ends[t - 1, r])
        ours = 2 * other(ends.flatten(0, 2)).sigmoid() - 1
        ours = ours.view(T - 1, 2, BATCH).mean(1).T
        nll = one.nll_loss(ids, noise, torch.arange(BATCH)) + plain.log_q(ids).mean()
        found[dtype] = (theirs[:, :-1] - ours).abs().max().item(), abs(nll.item())
    if max(found[torch.float64]) > 1e-10 or max(found[torch.float32]) > 1e-5:
        raise SystemExit(f"plain and ours are not the same model: {found}")
    return found


# ---- floors ------------------------------------------------------------------------------------


def seconds(work, repeats=7):
    """Return the median CPU seconds of a short job."""
    work()
    found = []
    for _ in range(repeats):
        begin = time.process_time()
        work()
        found.append(time.process_time() - begin)
    return statistics.median(found)


def rates(vocab):
    """Return CPU seconds: a row of logits, of softmax, of each product; a byte; an operation."""
    h, w = torch.randn(64, 32), torch.randn(vocab, 32)
    logits = h @ w.t() / 8
    out = torch.empty_like(logits)
    big, way = torch.randn(1024, 1720), torch.randn(1720, 1720)
    few, words, filters = torch.randn(64, 1720), torch.randn(vocab, 64), torch.randn(64, 200)
    windows, bank = torch.randn(64 * 16, 320), torch.randn(320, 200)
    block = torch.ones(2**26)
    small = torch.empty(vocab, 32)
    return SimpleNamespace(
        logits=seconds(lambda: torch.mm(h, w.t(), out=out), 99) / 64,
        softmax=seconds(lambda: torch.softmax(logits, 1, out=out), 99) / 64,
        back=seconds(lambda: (logits @ w, torch.mm(logits.t(), h, out=small)), 99) / 64,
        highway=seconds(lambda: big @ way) / 1024,
        few=seconds(lambda: few @ way, 31) / (2 * 64 * 1720**2),
        convolution=seconds(lambda: windows @ bank, 31) / (2 * 1024 * 320 * 200),
        table=seconds(lambda: words @ filters, 31) / (2 * vocab * 64 * 200),
        byte=seconds(lambda: block.sum()) / (4 * len(block)),
    )


def floors(r, vocab, d, gates):
    """Return {job: (seconds, formula)}, from the operations that the library's algorithm needs."""
    banks = [(f.out_features, w) for f, w in zip(d.filters, d.widths, strict=True)]
    taps = sum(n * w for n, w in banks)
    read = sum(n * w * (T - w + 1) for n, w in banks)  # numbers looked up a sentence
    convolution = 2 * 64 * read
    rows = BATCH * T + BATCH * (T - 1) + ROLLOUTS * BATCH * (T - 1) * (T - 2) // 2
    judged = (ROLLOUTS * (T - 1) + 1) * BATCH
    size = sum(p.numel() for p in d.parameters())
    draw = r.logits + r.softmax
    g = rows * draw + judged * (gates * r.highway + 4 * read * r.byte)
    g += 2 * vocab * 64 * taps * r.table
    step = 3 * BATCH * (convolution * r.convolution + gates * 2 * 1720**2 * r.few)
    step += 7 * 4 * size * r.byte  # Adam reads weight, gradient, two moments; writes three
    steps = MLE_EPOCH // BATCH
    return {
        "g": (g, f"{rows:,} rows of logits and softmax; {judged:,} sentences of {gates} highway "
                 f"product{'s' * (gates > 1)} and {4 * read:,} bytes looked up; tables"),
        "d": (D_EPOCH // BATCH * step, f"{D_EPOCH // BATCH} steps: 3 x 64 x "
              f"{(convolution + gates * 2 * 1720**2) / 1e6:.1f} MFLOP; 7 passes of Adam"),
        "mle": (steps * BATCH * T * (draw + r.back), f"{steps * BATCH * T:,} rows: logits, "
                "softmax, two products back"),
        "sample": (MANY * T * draw, f"{MANY * T:,} rows of logits and softmax"),
    }  # fmt: skip


# ---- jobs --------------------------------------------------------------------------------------


def jobs(data, quick):
    """Return rows to measure: name, what was timed, both ways, and the factors to the whole job."""
    made, all_floors, rows, wrong = {}, {}, [], {}
    r = rates(data.vocab_size)
    for gate in ("shared", "own"):
        ours = game(data, gate, BATCH)
        players = ours.generator, ours.discriminator
        wrong[gate] = differences(*players)
        made[gate] = ours, Plain(*players)
        all_floors[gate] = floors(r, data.vocab_size, ours.discriminator, 1 + (gate == "own"))
    ours, plain = made["shared"]
    some = 1 if quick else 4  # rollouts timed of the plain way
    for gate in ("shared", "own"):
        mine, theirs = made[gate]
        rows.append((
            f"G update, gate {gate}", f"plain: {some} of {ROLLOUTS} rollouts",
            lambda theirs=theirs: theirs.g_update(some), ROLLOUTS / some, mine.g_update, 1,
            all_floors[gate]["g"],
        ))  # fmt: skip
    few = 1_000 if quick else 2_500
    noise = torch.Generator().manual_seed(2)
    rows.append((
        "sample 10,000", f"plain: {few:,}, batches of {BATCH}",
        lambda: [plain.sample(BATCH) for _ in range(few // BATCH)], MANY / (few // BATCH * BATCH),
        lambda: ours.generator.sample(MANY, noise), 1, all_floors["shared"]["sample"],
    ))  # fmt: skip
    steps, half = (4 if quick else 26), BATCH // 2
    pool = ours.generator.sample(1_000, noise)
    for gate in ("shared", "own"):
        theirs, halves = made[gate][1], game(data, gate, half)
        batch = lambda of: of[torch.randint(len(of), (half,), generator=noise)]  # noqa: E731
        # neither side pays for its fakes here: sampling is a row of its own
        halves.estimator.fakes = lambda *_, batch=batch: Rollout(x := batch(pool), x)
        rows.append((
            f"D epoch, gate {gate}: 20,000 sentences", f"{steps} of {D_EPOCH // BATCH} steps",
            lambda theirs=theirs, batch=batch: [
                theirs.d_update(batch(data.train), batch(pool)) for _ in range(steps)
            ], D_EPOCH / BATCH / steps,
            lambda halves=halves: [halves.d_update() for _ in range(steps)],
            D_EPOCH / BATCH / steps, all_floors[gate]["d"],
        ))  # fmt: skip
    batches = data.train[: steps * BATCH].split(BATCH)
    whole = MLE_EPOCH / BATCH / steps
    rows.append((
        "MLE epoch, 9,984 sentences", f"{steps} of {MLE_EPOCH // BATCH} steps",
        lambda: [plain.mle_update(ids) for ids in batches], whole,
        lambda: [ours.mle_update() for _ in range(steps)], whole, all_floors["shared"]["mle"],
    ))  # fmt: skip
    size = 1_000 if quick else MANY
    hypotheses = ours.generator.sample(size, noise).tolist()
    references = data.train[:size].tolist()
    rows.append((
        f"BLEU-2..5, {size:,} against {size:,}", "plain: NLTK, 1 hypothesis",
        lambda: nltk_bleu(hypotheses[0], references), size,
        lambda: bleu(hypotheses, references), 1, (None, ""),
    ))  # fmt: skip
    rows.append((
        f"self-BLEU-2..5, {size:,}", "plain: NLTK, 1 sentence",
        lambda: nltk_bleu(hypotheses[0], hypotheses[1:]), size,
        lambda: self_bleu(hypotheses), 1, (None, ""),
    ))  # fmt: skip
    smaller = bleu(hypotheses[:3], references)
    exact = [nltk_bleu(h, references) for h in hypotheses[:3]]
    wrong["BLEU"] = max(
        abs(smaller[n] - statistics.fmean(e[n] for e in exact)) for n in (2, 3, 4, 5)
    )
    return rows, r, wrong


def nltk_bleu(hypothesis, references):
    """Return BLEU-2 to BLEU-5 of one sentence."""
    smoothing = SmoothingFunction().method1
    return {n: sentence_bleu(references, hypothesis, (1 / n,) * n, smoothing) for n in (2, 3, 4, 5)}


def timed(work, factor):
    """Return CPU and wall seconds of the whole job."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return factor * (time.process_time() - cpu), factor * (time.perf_counter() - wall)


def measure(rows, pairs):
    """Return for each row the times of both ways, taken in turns."""
    found = []
    for name, _, plain, plain_factor, ours, our_factor, _ in rows:
        timed(ours, 1)  # warm-up; the plain way has had its own in the comparison
        found.append([])
        for _ in range(pairs):
            found[-1].append((timed(plain, plain_factor), timed(ours, our_factor)))
        print(name, found[-1][-1], flush=True)
    return found


def report(rows, found, r, wrong, pairs, load):
    """Return the table, with all it needs to be judged in its header."""
    lines = []
    for (name, part, *_, (floor, formula)), times in zip(rows, found, strict=True):
        plain, ours = (
            [statistics.median(pair[side][i] for pair in times) for i in (0, 1)] for side in (0, 1)
        )
        ratios = [a[0] / b[0] for a, b in times]
        share = f"{floor:.3g} | {floor / plain[0]:.0%} / {floor / ours[0]:.0%}" if floor else " | "
        lines.append(
            f"| {name} | {plain[0]:.3g} | {plain[1]:.3g} | **{ours[0]:.3g}** | {ours[1]:.3g} "
            f"| {statistics.median(ratios):.3g} [{min(ratios):.3g}, {max(ratios):.3g}] "
            f"| {share} | {part}{'; floor: ' * bool(floor)}{formula} |"
        )
    table = "\n".join(lines)
    double, single = (
        [max(wrong[gate][dtype][i] for gate in ("shared", "own")) for i in (0, 1)]
        for dtype in (torch.float64, torch.float32)
    )
    return f"""# SeqGAN at its published sizes

Written by `python tests/benchmarks/seqgan.py`; what is compared stands in its head.
{datetime.date.today()}; {cpu_model()}, {os.cpu_count()} cores; torch {torch.__version__},
one thread, float32; Python {platform.python_version()}; load average {load:.1f} before the start
(0 would be an idle machine). Times: seconds of this process, medians of {pairs} interleaved
pairs, scaled to the whole job; ratio: median [min, max] over pairs. Gate: "own" is the published
highway, whose gate has weights of its own (7.1 M parameters); "shared" that of a later
implementation, one product instead of two (4.1 M).

| job | plain, CPU s | wall | ours, CPU s | wall | ratio | floor, s | share: plain / ours | notes |
|---|---|---|---|---|---|---|---|---|
{table}

Largest differences on the same weights and sentences, in double and in single precision: rewards,
which are 2 P(real) - 1, {double[0]:.1e} and {single[0]:.1e}; likelihood, nats a token,
{double[1]:.1e} and {single[1]:.1e}; BLEU {wrong["BLEU"]:.1e}.

Rates of the floors: a row of {5004:,} logits {1e6 * r.logits:.2f} us, its softmax
{1e6 * r.softmax:.2f} us, its two products back {1e6 * r.back:.2f} us; a sentence through 1720 x
1720 {1e6 * r.highway:.1f} us; products {1e-9 / r.few:.0f} (64 x 1720 x 1720),
{1e-9 / r.convolution:.0f} (1024 x 320 x 200), {1e-9 / r.table:.0f} (5004 x 64 x 200) GFLOP/s;
memory {1e-9 / r.byte:.0f} GB/s. The wall clock of a shared machine says little.
"""


def cpu_model():
    """Return the processor's name where the system tells it."""
    info = Path("/proc/cpuinfo")
    names = info.read_text().splitlines() if info.exists() else []
    return next((n.split(":")[1].strip() for n in names if n.startswith("model name")), "CPU")


def main():
    """Measure, write the table, and show it."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    quick, load = "--quick" in sys.argv[1:], os.getloadavg()[0]
    pairs = 1 if quick else 3
    rows, r, wrong = jobs(LSTMOracle(pool=MANY), quick)
    text = report(rows, measure(rows, pairs), r, wrong, pairs, load)
    if not quick:
        (HERE / "results" / "seqgan.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
