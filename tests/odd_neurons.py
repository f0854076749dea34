"""Neurons such as people bring: under a special token, dead, always on, in long excerpts."""

from dataclasses import replace

from neuron_eval.records import ActivationRecord, with_excerpts
from neuron_eval.testing import make_neuron

BOS = "<bos>"


def changed(neuron, change):
    """The neuron with each excerpt's tokens and activations changed."""
    top, random = (
        [ActivationRecord(*map(tuple, change(r.tokens, r.activations))) for r in records]
        for records in (neuron.top, neuron.random)
    )
    return with_excerpts(neuron, top, random)


def under_bos(id="test/L0N0", word=" cat", token=BOS, peak=50.0, **options):
    """A neuron whose every excerpt opens with a special token that holds its peak."""
    made = make_neuron(id, word, **options)
    return changed(made, lambda t, a: ((token, *t), (peak, *a)))


def valued(values, id="test/L0N0", boundaries=()):
    """A neuron whose excerpts have these activations, again and again, each another text."""

    def again(tokens, activations):
        return tokens, [values[i % len(values)] for i in range(len(tokens))]

    made = replace(make_neuron(id), quantiles=(), quantile_boundaries=boundaries)
    return changed(made, again)


def lengthened(neuron, size=1024, at=700):
    """The neuron with its excerpts inside a long text, beginning at one token of it."""

    def longer(tokens, activations):
        name = tokens[0]
        before = [f" {name}w{i}" for i in range(at)]
        after = [f" {name}v{i}" for i in range(size - at - len(tokens))]
        return (
            (*before, *tokens, *after),
            (*[0.0] * at, *activations, *[0.0] * len(after)),
        )

    return changed(neuron, longer)
