"""Professor forcing: G's states are differentiated, the tokens it wrote stand still."""

from .contract import ESTIMATORS, Estimator


@ESTIMATORS.register("professor_forcing")
class ProfessorForcing(Estimator):
    """Move G's states on what it writes to where D takes them for those on real data.

    Where G reads real data it is led token by token, where it writes it follows itself; D tells the
    two apart by G's states, and G learns to be in the one as it is in the other. Tokens are drawn
    and then held: there is no wall to pass, for nothing is differentiated through them.

    Objective  E_q generator(s(h(x))), h(x) G's states on x: of a D that reads states
    Gradient   E_q d/dtheta generator(s(h(x))), x held; biased: which sentences G writes depends on
               theta as well, and that term, the score function's, is left out. G's last layer,
               from states to words, gets no gradient at all: likelihood has to train it
    With       teacher forcing: `Spec.teacher_steps`, or the remedy "likelihood" for one update by
               both, as published. The states on real data could be moved too; here they stand
    Name       Yang et al. 2018 (CSGAN-NMT) use it for an update towards real translations at
               reward 1. That is a likelihood update, teacher forcing; there is no D in it
    Fails when  states say nothing any more: G can please D by feeling alike about everything
    Paper      Lamb et al. 2016, who let G be only while D is right more than 75 times in a hundred
    """

    unbiased = False
    states = True
    fakes = Estimator.play  # D learns from ids, and puts them before G itself

    def play(self, generator, n, noise, slots, real=None):
        """Let the generator play n sentences of hard tokens; D reads its states on them."""
        rollout = super().play(generator, n, noise, slots, real)
        rollout.x = generator.features(rollout.ids)
        return rollout
