"""A changed copy is what ``dataclasses.replace`` makes."""

from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import pytest

from agentctl.session.changing import changed
from agentctl.session.result import Result
from agentctl.session.state import SessionState
from agentctl.session.usage import Usage


@pytest.mark.parametrize(
    "value", [Usage(cost=Decimal(2), requests=3), SessionState(status="running"), Result(text="x")]
)
def test_a_changed_copy_is_another_value_and_the_first_stays_as_it_was(value: Any) -> None:
    before = replace(value)
    for field in fields(value):
        copy = changed(value, **{field.name: "changed"})
        assert copy == replace(value, **{field.name: "changed"})
        assert copy is not value
    assert value == before == changed(value)


def test_a_member_that_is_not_there_cannot_be_changed() -> None:
    with pytest.raises(KeyError):
        changed(Usage(), money=1)
