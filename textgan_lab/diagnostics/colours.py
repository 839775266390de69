"""What each colour means, in plots, lab and report alike; the hues are Okabe & Ito's (2008)."""

D = "#0072B2"  # the discriminator: blue
G = "#D55E00"  # the generator: vermilion
REAL = "#009E73"  # real data: green
FAKE = "#CC79A7"  # what G wrote: purple
TRUTH = "#000000"  # exact truth: always a black dashed line
TURN = "#7f7f7f"  # a knob was turned: a thin vertical mark
PARENT = "#b8b8b8"  # the run that this one branched from
FINDING = {"issue": "#c0392b", "tip": "#b8860b"}  # a flag at its first step
