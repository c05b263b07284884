"""The example of docs/ci.md: its summary is made again, to the letter, from the trainings that it shows."""

from __future__ import annotations

import dataclasses
import re
import statistics
from pathlib import Path

import factories

from runner.ci import event
from runner.ci.result import Result, Side, Training
from runner.ci.summary import summary

PAGE = (Path(__file__).parents[1] / "docs" / "ci.md").read_text()


def shown() -> str:
    """The summary of the example, without the signs that quote it."""
    block = PAGE.split("<!-- example: begin -->\n")[1].split("<!-- example: end -->")[0]
    return "".join(line.removeprefix(">").removeprefix(" ") + "\n" for line in block.splitlines())


def cells(text: str, name: str) -> list[str]:
    """The cells of the first row of a table that begins with `name`."""
    row = next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in row.strip("|").split(" | ")]


def number(text: str) -> float:
    return float(text.replace("−", "-").strip("*"))


def trainings(text: str) -> list[Training]:
    found = []
    for line in text.split("<summary>Trainings</summary>")[1].split("</details>")[0].splitlines():
        of, *rest = (cell.strip() for cell in line.strip("|").split("|"))
        if of not in ("base", "head"):
            continue
        bpb, stderr, audited, differ, correction, seconds, seed, words = rest
        made = factories.attempt(number(bpb), int(seed))
        assert made.score
        score = dataclasses.replace(
            made.score, stderr_bpb=number(stderr), positions=int(audited), disagreements=int(differ),
            correction_bpb=number(correction),
        )  # fmt: skip
        outcome = dataclasses.replace(made.outcome, train_seconds=number(seconds))
        found.append(
            Training(of, dataclasses.replace(made, score=score, outcome=outcome), False, words != "not counted")
        )
    return found


def mean(of: str, among: list[Training]) -> float:
    return statistics.mean(
        t.attempt.score.val_bpb for t in among if t.of == of and t.counts and t.attempt.score
    )


def result(text: str) -> Result:
    """What the job had found, read off the summary; the means of the scores are computed."""
    parts = {side: re.findall(r"`([^`]*)`", " ".join(cells(text, side))) for side in ("base", "head")}
    sides = {
        side: Side(side, found[0].ljust(40, "0"), found[-1].ljust(64, "0")) for side, found in parts.items()
    }
    low, high = cells(text, "95 % interval")[1].split(" to ")
    sigma, df = re.findall(r"[\d.]+", cells(text, "noise between trainings, σ")[1])[:2]
    rule, budget = re.fullmatch(r"(\w+), (\d+) s a training", cells(text, "rule")[1]).groups()  # type: ignore[union-attr]
    samples = dict(re.findall(r"\n(base|head):\n\n```text\n(.*?)\n```\n", text, re.DOTALL))
    known = trainings(text)
    return Result(
        "better", "better", re.findall(r"\*\*Why:\*\* (.*)", text)[0], 0, base=sides["base"], head=sides["head"],
        request=event.Request(
            "pull_request", 12, cells(text, "title")[1].strip("`"), parts["head"][1], cells(text, "by")[1].strip("`")
        ),
        trainings=tuple(known), base_bpb=mean("base", known), val_bpb=mean("head", known),
        interval=(number(low), number(high)), numbers={"sigma": number(sigma), "df": number(df)}, rule=rule,
        budget_seconds=float(budget), diff=re.findall(r"```diff\n(.*?)\n```", text, re.DOTALL)[0],
        samples=({"prompt": re.findall(r"After `(.*)`:", text)[0], **samples},),
    )  # fmt: skip


def test_the_summary_that_the_page_shows_is_what_the_program_makes_of_those_trainings() -> None:
    assert summary(result(shown())).split() == shown().split()


def test_the_outputs_that_the_page_shows_are_those_of_the_summary() -> None:
    known = result(shown())
    assert f"\nval_bpb={known.val_bpb:.6f}\ndelta={known.delta:+.6f}\n" in PAGE


def test_the_reason_is_told_by_the_scores_that_chose_the_head() -> None:
    text = shown()
    known = [t for t in trainings(text) if t.attempt.score]
    chose = statistics.mean(
        t.attempt.score.val_bpb for t in known if t.of == "head" and not t.counts and t.attempt.score
    )
    gain, count = re.findall(r"([\d.]+) lower .* over (\d) trials", text)[0]
    assert abs(mean("base", known) - chose - float(gain)) < 0.0001
    assert int(count) == sum(t.of == "head" and not t.counts for t in known)
