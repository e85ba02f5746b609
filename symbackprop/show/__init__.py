"""What people see of a compiled function: explanation tables, graph pictures, and both in a notebook."""

from symbackprop.show.explanation import Explanation
from symbackprop.show.picture import Picture
from symbackprop.show.subject import Subject

__all__ = ["Explanation", "Picture", "Subject"]
