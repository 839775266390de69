"""A discriminator that looks at how G wrote a sentence, not at the sentence: professor forcing."""

import torch
from torch import Tensor, nn

from .autoregressive import Autoregressive
from .discriminators import DISCRIMINATORS
from .layers import LSTM, Dropout


@DISCRIMINATORS.register("behaviour")
class BehaviourDiscriminator(nn.Module):
    """An LSTM over G's states on a sentence, one logit a token: did G write it, or only read it.

    The state that writes token t is a function of the tokens before t, whoever chose them. So the
    states of a G that runs free are those that it has when it is led through its own sentence, and
    ids say all: D puts them before G and reads what goes on in it.

    Reads    ids [batch, time], which give G no gradient: so it is for D's update, for rewards, for
             looking; or states [batch, time, F] that have one: see `ProfessorForcing`. No simplex
             points: what lies between two tokens has no states
    Logit    at t it has read the states that wrote tokens 0..t, and so the tokens before t alone
    Holds    G, and is no owner of it: G's weights are none of D's, and do not move with D's. A deep
             copy of D has a G of its own, as it stood; copied together, copies keep to each other
    Paper    Lamb et al. 2016, whose D reads G's next-token law as well, and in both directions
    Raises   ValueError for simplex points
    """

    kind, per_token, states = "text", True, True

    def __init__(self, data, generator: Autoregressive, *, hidden: int = 64):
        super().__init__()
        # past nn.Module, which would make its weights ours
        object.__setattr__(self, "generator", generator)
        self.size = generator.head.in_features
        self.lstm = LSTM(self.size, hidden)
        self.dropout = Dropout()
        self.head = nn.Linear(hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ids, or G's states on them, to logits [batch, time]."""
        if not x.is_floating_point():
            with torch.no_grad():
                x = self.generator.features(x)
        elif x.shape[-1] != self.size:
            raise ValueError(
                f"discriminator 'behaviour' reads ids, or states [batch, time, {self.size}] of its "
                f"generator, not simplex points: got {list(x.shape)}"
            )
        x = x.to(self.head.weight.dtype)  # G need not be as precise as D
        return self.head(self.dropout(self.lstm(x))).squeeze(2)
