"""Short texts with the label that people would give them: enough distinct ones for three small cycles."""

from itertools import product

SUBJECTS = (
    "the new update",
    "customer support",
    "this phone",
    "my flight home",
    "the match last night",
    "their coffee",
    "the bus this morning",
    "that concert",
    "the trailer",
    "the keynote",
    "our landlord",
    "the queue at the bank",
)
VERDICTS = (
    ("negative", "is the worst thing that happened to me this week"),
    ("positive", "made my whole day, honestly"),
    ("neutral", "was on time, nothing more to say"),
    ("negative", "broke again and nobody answers"),
    ("positive", "is so much better than I expected :)"),
    ("neutral", "starts at nine, bring a chair"),
    ("negative", "... well, I have seen better"),
    ("positive", "deserves every award there is"),
)
SENTENCES = tuple((f"{subject} {text}", label) for (label, text), subject in product(VERDICTS, SUBJECTS))
"""Text and label, a hundred or so."""
