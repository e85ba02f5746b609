"""Names that could break out of what they stand in."""

import pytest

HOSTILE = (
    "<script>alert(1)</script>",
    "q\"uo'te",
    "two\nlines",
    "back`tick``s",
    "right\u202eleft",
    "pipe|$&\\end{array}",
)


@pytest.fixture(params=HOSTILE)
def hostile(request: pytest.FixtureRequest) -> str:
    return str(request.param)
