"""A Result as JUnit XML, as Jenkins and GitLab read it: `failure` for a verdict about the head, `error` for trouble.

Its shape is that of the widely used junit-10.xsd: testsuites, testsuite, testcase, and in it at most one of `skipped`,
`error`, `failure`. Text of others is escaped, and characters that XML 1.0 has no place for are replaced.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from runner.ci import result as results
from runner.ci.result import Result
from runner.report import text

_IMPOSSIBLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
LAB, RECORD, SCORE, GAIN = (
    "of the lab only train.py changes",
    "the run's record verifies",
    "train.py trains and is scored",
    "the head is better than the base",
)
# Which of the cases a cause belongs to: those before it went well, those after it were not reached.
_CASE = {"lab-changed": LAB, "no-train-py": LAB, "stale": LAB, "not-python": SCORE, "record": RECORD,
         "record-absent": RECORD, "failed": SCORE, "suspicious": SCORE, "audit": SCORE}  # fmt: skip


def junit(result: Result) -> bytes:
    """The whole document."""
    cases = [LAB, *([] if result.record == "not applicable" else [RECORD]), SCORE, GAIN]
    wrong = "" if result.verdict == results.BETTER else _CASE.get(result.cause, GAIN)
    failed = result.verdict in (results.NOT_BETTER, results.REFUSED)
    if result.verdict == results.ERROR:
        cases, wrong = [GAIN], GAIN
    suites = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(suites, "testsuite", {"name": "runner ci"})
    skipped = 0
    reached = True
    for name in cases:
        case = ElementTree.SubElement(
            suite, "testcase", {"classname": possible(text.line(result.train_path)), "name": name, "time": "0"}
        )
        if not reached:
            ElementTree.SubElement(case, "skipped")
            skipped += 1
        if name == wrong:
            reached = False
            told = {"message": possible(text.line(result.reason, 500)), "type": result.cause}
            body = ElementTree.SubElement(case, "failure" if failed else "error", told)
            body.text = possible(_body(result))
    cases_made = suite.findall("testcase")
    cases_made[-1].set("time", f"{result.seconds:.3f}")
    counts = {
        "tests": len(cases),
        "failures": int(failed),
        "errors": int(bool(wrong) and not failed),
        "skipped": skipped,
    }
    suite.attrib |= {**{name: str(count) for name, count in counts.items()}, "time": f"{result.seconds:.3f}"}
    ElementTree.indent(suites, " ")
    document: bytes = ElementTree.tostring(suites, encoding="utf-8")
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + document + b"\n"


def _body(result: Result) -> str:
    lines = [f"verdict: {result.verdict}", result.reason]
    if result.delta is not None:
        lines.append(f"head − base: {result.delta:+.6f} bits per byte")
    lines += [f"{path}: {what}" for path, what in result.refused[:200]]
    if not isinstance(result.record, str):
        lines += list(result.record[:200])
    return "\n".join(text.line(line, 1000) for line in lines)


def possible(raw: str) -> str:
    """`raw` in characters that an XML document may hold."""
    return _IMPOSSIBLE.sub("\ufffd", raw)
