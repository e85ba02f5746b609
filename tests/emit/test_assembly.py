"""LLVM assembly as it is written: values by numbers, addresses once a block."""

from __future__ import annotations

import pytest

from symbackprop.emit.assembly import Assembler, Word

ENTRY = ("double", "%array", "i64")


def test_values_are_numbered_as_they_come_and_labels_take_no_number() -> None:
    asm = Assembler("float64")
    one = asm.binary("fadd", Word("%x", "real"), Word("%y", "real"))
    asm.label(asm.fresh("on"))
    asm.do("call void @nothing()")
    two = asm.binary("fmul", one, asm.real(2.0))
    assert (one.text, two.text) == ("%0", "%1")
    assert asm.lines[1:3] == ["on1:", "  call void @nothing()"]


def test_an_address_is_computed_once_a_block() -> None:
    asm = Assembler("float64")
    first = asm.address(*ENTRY, "3")
    assert asm.address(*ENTRY, "3") == first
    assert asm.address(*ENTRY, "4") != first
    assert asm.address("double", "%other", "i64", "3") != first
    # What another block has computed need not have been reached.
    asm.label("on")
    assert asm.address(*ENTRY, "3") != first
    assert len(asm.lines) == 5


@pytest.mark.parametrize("lanes", [False, True])
def test_where_numbers_meet_lanes_they_are_spread(lanes: bool) -> None:
    asm = Assembler("float64", 4)
    made = asm.binary("fadd", Word("%x", "real", lanes), asm.real(1.0))
    own = "<4 x double> %x, splat (double 0x3FF0000000000000)" if lanes else "double %x, 0x3FF0000000000000"
    assert asm.lines == [f"  {made.text} = fadd {own}"]
    assert made.lanes == lanes
