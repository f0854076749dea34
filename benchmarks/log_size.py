"""How large a sample is in the log, by way to simulate.

    python benchmarks/log_size.py [NEURONS]

Whole evals of bundled neurons (10 held-out excerpts of 64 tokens, heat maps included, calibration
on 10 more) with fakes; the simulator's replies come with 15 alternatives a generated token, as
they do over the wire. The log file's bytes, divided by its samples. The limit is 40 kB; per_token
goes over it, since each of its 1,280 requests per sample is an event of the transcript.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from os import environ
from pathlib import Path

from inspect_ai import eval
from inspect_ai.model import ChatMessage, GenerateConfig, Model, ModelOutput, TopLogprob

from neuron_eval.dataset import neuron_set
from neuron_eval.tasks.formats import original
from neuron_eval.testing import Fake, fake_embedder, fake_explainer, fake_simulator

LIMIT = 40_000


def levels(_: str, tokens: Sequence[str]) -> list[float]:
    """Some activation on every seventh token or so."""
    return [float(hash(token) % 11) if len(token) % 7 == 0 else 0.0 for token in tokens]


def with_alternatives(simulator: Fake) -> Model:
    """The fake's model, each of whose tokens comes with 15 alternatives."""
    answer = simulator.model.api._respond
    filler = [TopLogprob(token=f" word{i}", logprob=-9.0 - i) for i in range(15)]

    def respond(messages: list[ChatMessage], config: GenerateConfig) -> ModelOutput:
        output: ModelOutput = answer(messages, config)
        logprobs = output.choices[0].logprobs
        for token in logprobs.content if logprobs else []:
            token.top_logprobs = [*(token.top_logprobs or []), *filler][:15]
        return output

    simulator.model.api._respond = respond
    return simulator.model


def main(count: int) -> None:
    """Print a row per way."""
    neurons = [neuron.dealt for neuron in neuron_set("smollm2").neurons][:count]
    excerpts = [e.record.tokens for d in neurons for e in (*d.valid, *d.calibration)]
    for way in ("embedding", "sparse", "chat", "per_token"):
        with tempfile.TemporaryDirectory() as folder:
            environ["INSPECT_CACHE_DIR"] = f"{folder}/cache"
            embedder = fake_embedder(lambda text: [len(text), 1.0, text.count("e")])
            simulator = fake_simulator(levels, excerpts=excerpts, name=way)
            (log,) = eval(
                original(simulation=way),
                model=fake_explainer("the words that this neuron fires on").model,
                model_roles={"simulator": with_alternatives(simulator), "embedder": embedder.model},
                limit=count,
                log_dir=folder,
                display="none",
            )
            assert log.status == "success", log.error
            size = Path(log.location).stat().st_size / count
            print(
                f"{way:<12}{size / 1000:>8.1f} kB a sample{'' if size < LIMIT else '  TOO LARGE'}"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
