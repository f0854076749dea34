from hypothesis import given
from hypothesis import strategies as st

from neuron_eval.surrogates import replace_surrogates


@given(st.text(st.characters(categories=["L", "P", "So", "Cs"])))
def test_what_is_left_can_be_written_and_nothing_else_changes(text):
    replaced = replace_surrogates(text)
    replaced.encode()
    assert len(replaced) == len(text)
    for before, after in zip(text, replaced, strict=True):
        assert after == ("\ufffd" if "\ud800" <= before <= "\udfff" else before)
