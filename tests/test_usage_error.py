"""Which errors Inspect prints as a sentence for the user."""

import pytest

from neuron_eval.messages import InputError
from neuron_eval.parameters import check_text
from neuron_eval.prompts.pack import load_pack
from neuron_eval.prompts.wording import PackError
from neuron_eval.usage_error import UsageError, usage_errors


def test_what_a_user_can_mend_becomes_a_sentence():
    with pytest.raises(UsageError, match=r"^limit=0: expected more$"), usage_errors():
        raise InputError("limit=0: expected more")


def test_an_unreadable_file_becomes_a_sentence(tmp_path):
    with pytest.raises(UsageError, match=r"none\.txt: No such file"), usage_errors():
        (tmp_path / "none.txt").read_text()


@pytest.mark.parametrize("bug", [ValueError, KeyError, RuntimeError])
def test_a_bug_stays_what_it_is(bug):
    with pytest.raises(bug) as caught, usage_errors():
        raise bug("shapes differ")
    assert not isinstance(caught.value, UsageError)


def test_a_file_whose_name_no_system_can_open_is_refused_as_a_parameter():
    with pytest.raises(InputError, match=r"^neurons='a\\x00b': expected one name or file$"):
        check_text("neurons", "a\0b")
    with pytest.raises(PackError, match=r"^pack='a\\x00b': expected a file$"):
        load_pack("a\0b")
