"""What people see of a compiled function: explanation tables, graph pictures, where its lines come from."""

from symbackprop.show.batch import Batch
from symbackprop.show.explanation import Explanation
from symbackprop.show.measure import Measurement
from symbackprop.show.picture import Picture
from symbackprop.show.provenance import traced
from symbackprop.show.subject import Subject
from symbackprop.show.trace import Trace, Traces

__all__ = ["Batch", "Explanation", "Measurement", "Picture", "Subject", "Trace", "Traces", "traced"]
