from collections import Counter
from pathlib import Path

from .catalogue import FAULTS, TRIES
from .table import page

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"


def test_the_page_is_made_of_the_faults_that_are_tried():
    assert PAGE.read_text(encoding="utf-8") == page(), "make reliability writes it anew"


def test_a_fault_has_a_name_of_its_own_in_each_role():
    named = Counter((fault.name, role) for fault in FAULTS for role in fault.roles)
    assert max(named.values()) == 1
    assert len({fault.does for fault in FAULTS}) > 50


def test_lasting_faults_are_told_from_others_by_how_often_they_are_asked_for():
    assert {fault.outcome for fault in FAULTS if fault.requests == TRIES} == {"error"}
