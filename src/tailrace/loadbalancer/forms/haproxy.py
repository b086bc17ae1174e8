"""Form `haproxy`: the lines as HAProxy wrote them, syslog header included."""

from __future__ import annotations

import re
from typing import BinaryIO

from tailrace.loadbalancer.forms.reading import whole_lines
from tailrace.loadbalancer.model import Slot, Written

_EMPTY = re.compile(rb"\n{2,}")


class Haproxy:
    """The lines as they are, notices among them: nothing is read, so nothing can be misread or rejected."""

    suffix = ".log"
    content_type = "text/plain"

    def write(self, lines: BinaryIO, out: BinaryIO, slot: Slot) -> Written:  # noqa: ARG002 - a form's arguments
        """Copy a slot's lines; empty ones are left out, and the last one ends as the others do."""
        count, ended = 0, True
        for chunk in whole_lines(lines):
            text = _EMPTY.sub(b"\n", chunk) if b"\n\n" in chunk else chunk
            text = text.lstrip(b"\n") if ended else text
            out.write(text)
            count += text.count(b"\n")
            ended = text[-1:] == b"\n" if text else ended
        return Written(count, count)
