"""Recipes: strictly read, filled in without anything breaking out, and reports read from any bytes at all."""

from __future__ import annotations

import json
import time
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.agents import plan as plans
from runner.agents import recipe, template, usage
from runner.agents.prompt import prompt
from runner.config import AgentSettings
from runner.errors import MissingError, UsageError

NAMES = recipe.names()
PLACES = plans.Places()
SMALLEST = """
title = "A"
command = ["a", "{prompt}"]
[install]
npm = { a = "1.0.0" }
check = ["a", "--version"]
[api]
url = "https://api.example.com/v1"
dialect = "chat"
[[api.keys]]
variable = "A_KEY"
header = "authorization"
value = "Bearer {key}"
environment = { A_KEY = "{token}" }
[report]
format = "json"
"""


def planned(
    name: str | recipe.Recipe, settings: AgentSettings | None = None, **changed: Any
) -> plans.AgentPlan:
    one = recipe.find(name) if isinstance(name, str) else name
    given: dict[str, Any] = {
        "prompt": prompt(PLACES), "gateway": "http://gateway:8080", "token": "worthless", "key": one.api.keys[0],
        **changed,
    }  # fmt: skip
    return plans.plan(one, settings or AgentSettings(), **given)


@pytest.fixture
def written(tmp_path: Path) -> Any:
    def write(text: str, name: str = "a") -> recipe.Recipe:
        path = tmp_path / f"{name}.toml"
        path.write_text(text)
        return recipe.load(path)

    return write


def test_there_is_a_recipe_for_each_of_the_seven() -> None:
    assert NAMES == ["aider", "claude-code", "codex", "gemini", "opencode", "qwen", "vibe"]


@pytest.mark.parametrize("name", NAMES)
def test_a_plan_holds_no_placeholder_any_more(name: str) -> None:
    made = planned(name)
    whole = [*made.command, *made.environment.values(), *(f.decode() for f in made.files.values())]
    known = "|".join(template.PLACEHOLDERS)
    assert not [text for text in whole for hole in known.split("|") if f"{{{hole}}}" in text]
    assert prompt(PLACES) in made.command


@pytest.mark.parametrize("name", NAMES)
def test_the_program_is_given_the_gateway_and_a_token_and_nothing_of_the_api(name: str) -> None:
    one = recipe.find(name)
    made = planned(one)
    whole = " ".join([*made.command, *made.environment.values(), *(f.decode() for f in made.files.values())])
    assert "http://gateway:8080" in whole
    assert "worthless" in whole
    assert one.api.host not in whole
    assert made.upstream == f"https://{one.api.host}"


@pytest.mark.parametrize("name", NAMES)
def test_settings_files_are_what_their_endings_say(name: str) -> None:
    for path, content in planned(name, AgentSettings(model="m")).files.items():
        (json.loads if path.endswith(".json") else tomllib.loads)(content.decode())


@pytest.mark.parametrize("name", NAMES)
def test_every_way_to_pay_names_a_header_and_gives_the_token_in_its_place(name: str) -> None:
    one = recipe.find(name)
    for key in one.api.keys:
        made = planned(one, key=key)
        assert key.header in ("x-api-key", "authorization", "x-goog-api-key")
        whole = [*made.environment.values(), *(f.decode() for f in made.files.values())]
        assert any("worthless" in text for text in whole), key.variable


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('title = "A"', 'titel = "A"', "unknown key titel"),
        ('title = "A"', "", "title is missing"),
        ('title = "A"', "title = 3", "title must be of type str"),
        ('title = "A"', 'title = "A"\nname = "b"', "unknown key name"),
        ('"{prompt}"', '"{promt}"', "unknown placeholder {promt}"),
        ('"{prompt}"', "3", "command must hold strings"),
        ('["a", "{prompt}"]', "[]", "command must be a list"),
        ('a = "1.0.0"', 'a = "^1.0.0"', "a must be pinned"),
        ('a = "1.0.0"', 'a = "latest"', "a must be pinned"),
        ('npm = { a = "1.0.0" }', "", "must name packages in one of npm and pip"),
        ('npm = { a = "1.0.0" }', 'npm = { a = "1.0.0" }\npip = { a = "1" }', "must name packages in one"),
        ('npm = { a = "1.0.0" }', 'npm = { a = "1.0.0" }\npython = "3.12"', "install.python must be like"),
        ('dialect = "chat"', 'dialect = "klingon"', "api.dialect must be one of"),
        ("https://api.example.com/v1", "ftp://api.example.com", "api.url must be"),
        ("https://api.example.com/v1", "https://u:p@api.example.com", "api.url must be"),
        ("https://api.example.com/v1", "https://api.example.com?x=1", "api.url must be"),
        ('"Bearer {key}"', '"Bearer"', "api.keys[0].value must hold {key} once"),
        ('header = "authorization"', 'hedaer = "authorization"', "unknown key api.keys[0].hedaer"),
        ('format = "json"', 'format = "yaml"', "report.format must be one of"),
        ('format = "json"', 'format = "json"\ntokens_in = [3]', "report.tokens_in must be a list of strings"),
        ('[report]\nformat = "json"', '[files."../x.json"]\n[report]\nformat = "json"', "must be a path under"),
        (
            '[report]\nformat = "json"',
            '[files."/etc/x.json"]\n[report]\nformat = "json"',
            "must be a path under",
        ),
        ('[report]\nformat = "json"', '[files."x.sh"]\n[report]\nformat = "json"', "must be a path under"),
    ],
)
def test_what_a_recipe_may_not_say_is_refused_with_file_and_key(
    written: Any, old: str, new: str, said: str
) -> None:
    assert old in SMALLEST
    written(SMALLEST)
    with pytest.raises(UsageError) as raised:
        written(SMALLEST.replace(old, new, 1))
    assert said in raised.value.what
    assert "a.toml" in raised.value.what


def test_a_selector_that_is_no_regular_expression_is_refused(written: Any) -> None:
    text = SMALLEST.replace('format = "json"', 'format = "text"\ntokens_in = "Tokens: (["')
    with pytest.raises(UsageError, match="tokens_in"):
        written(text)


def test_an_agent_says_which_pythons_it_takes() -> None:
    def takes(name: str) -> list[int]:
        return [minor for minor in (9, 10, 11, 12, 13, 14) if recipe.find(name).install.takes((3, minor))]

    assert takes("aider") == [10, 11, 12]
    assert takes("vibe") == [12, 13, 14]
    assert takes("codex") == [9, 10, 11, 12, 13, 14]


def test_a_labs_own_recipe_wins_over_one_of_ours_and_new_ones_are_found(tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    for name in ("codex", "mine"):
        (tmp_path / "agents" / f"{name}.toml").write_text(SMALLEST)
    assert recipe.find("codex", tmp_path).title == "A"
    assert recipe.find("codex").title == "Codex"
    assert "mine" in recipe.names(tmp_path)
    with pytest.raises(UsageError, match="no agent 'mine'"):
        recipe.find("mine")


@pytest.mark.parametrize("name", ["../codex", "/etc/passwd", "", "Codex", "codex.toml", "codex\n"])
def test_a_name_that_is_a_path_finds_nothing(name: str) -> None:
    with pytest.raises(UsageError, match="there is no agent"):
        recipe.find(name)


def test_a_value_cannot_break_out_of_its_quotes_in_a_settings_file() -> None:
    evil = 'm"\n[provider]\nx = "\\\x7f\t{token} \u2028 ü 🙂'
    for name in ("codex", "vibe", "opencode"):
        one = recipe.find(name)
        for path, content in planned(one, AgentSettings(model=evil)).files.items():
            read = (json.loads if path.endswith(".json") else tomllib.loads)(content.decode())
            models = {"codex": "model", "opencode": "small_model"}
            found = read["models"][0]["name"] if name == "vibe" else read[models[name]]
            assert found.removeprefix("gateway/") == evil


def test_a_prompt_with_placeholders_is_left_as_it_is(written: Any) -> None:
    assert planned(written(SMALLEST), prompt="{token} {home}").command == ("a", "{token} {home}")


def test_a_limit_of_none_leaves_its_arguments_out_and_one_is_passed_on() -> None:
    without = planned("claude-code", AgentSettings(max_turns=0)).command
    assert not {"--max-turns", "--max-budget-usd"} & set(without)
    limited = planned("claude-code", AgentSettings(max_turns=7, max_proposal_cost=0.25, model="m")).command
    for name, value in (("--max-turns", "7"), ("--max-budget-usd", "0.25"), ("--model", "m")):
        assert limited[limited.index(name) + 1] == value


def test_numbers_stay_numbers_in_settings_files() -> None:
    settings = json.loads(planned("gemini", AgentSettings(max_turns=7)).files[".gemini/settings.json"])
    assert settings["model"] == {"maxSessionTurns": 7}


def test_another_servers_address_keeps_its_path_behind_the_gateway() -> None:
    made = planned(
        "codex", AgentSettings(api_url="http://localhost:11434/some/v1/", model="m"), key=plans.NO_KEY
    )
    assert (made.upstream, made.prefix) == ("http://localhost:11434", "/some/v1")
    read = tomllib.loads(made.files[".codex/config.toml"].decode())
    assert read["model_providers"]["gateway"]["base_url"] == "http://gateway:8080/some/v1"
    assert made.environment["GATEWAY_TOKEN"] == "worthless"


@pytest.mark.parametrize(
    "url", ["localhost:11434", "http://", "http://h:99999", "file:///x", "http://h/ x", "http://h#f"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="api_url"):
        planned("codex", AgentSettings(api_url=url))


def test_the_key_of_one_company_never_goes_to_another_server() -> None:
    codex, settings = recipe.find("codex"), AgentSettings(api_url="http://localhost:11434/v1")
    mine = {"OPENAI_API_KEY": "real", "OTHER": "other"}
    assert plans.choose_key(codex, settings, mine).variable == ""
    chosen = plans.choose_key(codex, replace(settings, key_env="OTHER"), mine)
    assert (chosen.variable, chosen.header, chosen.value) == ("OTHER", "authorization", "Bearer {key}")


def test_a_key_that_is_not_set_is_missed_by_its_name() -> None:
    one = recipe.find("claude-code")
    with pytest.raises(MissingError, match="ANTHROPIC_API_KEY or"):
        plans.choose_key(one, AgentSettings(), {"ANTHROPIC_API_KEY": " "})
    assert plans.choose_key(one, AgentSettings(), {"CLAUDE_CODE_OAUTH_TOKEN": "t"}).header == "authorization"


def test_prices_of_one_model_are_not_put_on_another() -> None:
    vibe = recipe.find("vibe")
    assert plans.prices(vibe, AgentSettings()) == (1.5, 7.5, 0.15)
    assert plans.prices(vibe, AgentSettings(model="other")) == (0.0, 0.0, 0.0)
    assert plans.prices(vibe, AgentSettings(api_url="http://h")) == (0.0, 0.0, 0.0)
    assert plans.prices(vibe, AgentSettings(model="other", price_in=1.0)) == (1.0, 0.0, 1.0)


# What programs print, shortened; each as it was seen.
CLAUDE = {
    "type": "result", "subtype": "success", "is_error": False, "result": "Done.", "session_id": "s",
    "total_cost_usd": 0.016, "modelUsage": {"big": {"inputTokens": 3000, "outputTokens": 40,
    "cacheReadInputTokens": 800, "cacheCreationInputTokens": 100}, "small": {"inputTokens": 10, "outputTokens": 2}},
}  # fmt: skip
CODEX = [
    {"type": "thread.started", "thread_id": "t"},
    {"type": "item.completed", "item": {"type": "agent_message", "text": "first"}},
    {"type": "item.completed", "item": {"type": "command_execution", "text": "no message"}},
    {"type": "item.completed", "item": {"type": "agent_message", "text": "Done."}},
    {
        "type": "turn.completed",
        "usage": {"input_tokens": 4600, "cached_input_tokens": 800, "output_tokens": 46},
    },
]


def lines(records: list[Any]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def test_claudes_report_sums_its_models_and_counts_cached_tokens_as_sent() -> None:
    read = usage.read_result(recipe.find("claude-code").report, json.dumps(CLAUDE).encode())
    assert (read.tokens_in, read.tokens_cached, read.tokens_out, read.cost_usd) == (3910, 800, 42, 0.016)
    assert (read.message, read.done, read.error) == ("Done.", True, "")


def test_claudes_failure_is_read_though_it_says_success() -> None:
    failed = {**CLAUDE, "is_error": True, "result": "API Error: 401"}
    assert (
        usage.read_result(recipe.find("claude-code").report, json.dumps(failed).encode()).error
        == "API Error: 401"
    )


def test_codexs_lines_give_the_last_message_and_the_usage() -> None:
    read = usage.read_result(recipe.find("codex").report, lines(CODEX))
    assert (read.tokens_in, read.tokens_cached, read.tokens_out) == (4600, 800, 46)
    assert (read.message, read.done, read.cost_usd) == ("Done.", True, None)


def test_a_program_that_was_cut_off_is_not_done() -> None:
    read = usage.read_result(recipe.find("codex").report, lines(CODEX)[:-40])
    assert (read.done, read.tokens_in, read.message) == (False, None, "Done.")


def test_a_report_is_found_among_other_output() -> None:
    report = recipe.find("claude-code").report
    for noisy in (b"warning: {x\n%s\nbye\n", b"[note] something\n\n%s", b"{not json}\n%s\n"):
        assert usage.read_result(report, noisy % json.dumps(CLAUDE).encode()).done, noisy
    indented = b"Loaded.\n" + json.dumps({"response": "Hi", "stats": {"models": {}}}, indent=2).encode()
    assert usage.read_result(recipe.find("gemini").report, indented).message == "Hi"


def test_a_report_in_a_file_is_read_there_and_nowhere_else() -> None:
    report, said = (
        recipe.find("vibe").report,
        json.dumps({"outcome": "finished", "usage": {"input_tokens": 5}}).encode(),
    )
    assert usage.read_result(report, b"Bye.", {"export.json": said}) == usage.AgentReport(
        tokens_in=5, message="Bye.", done=True
    )
    assert usage.read_result(report, said, {}).done is False


def test_text_is_read_by_regular_expressions_with_units() -> None:
    report = recipe.Report(
        "text", tokens_in=(r"Tokens: (\S+) sent",), tokens_out=(r"(\S+) received",), cost=(r"\$([\d.]+)",)
    )
    read = usage.read_result(
        report, b"Tokens: 2.3k sent, 1,200 received. Cost: $0.05\nTokens: 700 sent, 3 received\n"
    )
    assert (read.tokens_in, read.tokens_out, read.cost_usd) == (3000, 1203, 0.05)


@pytest.mark.parametrize(
    "number",
    [-1, 1e300, float("nan"), float("inf"), True, None, [], {}, "-3", "1e9", "９", 10**400, "9" * 5000],
)
def test_a_number_that_cannot_be_is_none(number: Any) -> None:
    said = lines([{"type": "turn.completed", "usage": {"input_tokens": number, "output_tokens": 7}}])
    read = usage.read_result(recipe.find("codex").report, said)
    assert (read.tokens_in, read.tokens_out) == (None, 7)


GARBAGE = {
    "nothing": b"",
    "binary": bytes(range(256)) * 4000,
    "deep": b"[" * 200_000,
    "deep objects": b'{"type":' * 200_000,
    "many starts": b"\n{" * 300_000,
    "half": json.dumps(CLAUDE).encode()[:-9],
    "a list of lists": b"[[[]],{},3,null]",
    "one long line": b'{"type":"turn.completed","x":"' + b"x" * 9_000_000,
    "wrong types": b'{"type":["result"],"modelUsage":7,"usage":"x","stats":[],"result":{},"is_error":"yes"}',
    "50 MB": b'{"type":"item.completed","item":{"type":"agent_message","text":"spam"}}\n' * 700_000,
    "escapes": b'{"type":"result","session_id":"s","is_error":true,"result":"\\u001b[2Jx\\u202e\\n\\ud800"}',
}


@pytest.mark.parametrize("what", GARBAGE)
def test_any_output_is_read_without_a_fault_in_bounded_time(what: str) -> None:
    started = time.process_time()
    for name in ("claude-code", "codex", "vibe"):  # one JSON, lines of JSON, a file
        report = recipe.find(name).report
        read = usage.read_result(report, GARBAGE[what], {report.source: GARBAGE[what]})
        assert len(read.message) <= usage.MESSAGE_CHARACTERS
        assert (read.error + read.message).replace("\n", "").isprintable()
    assert time.process_time() - started < 20


def test_what_a_program_says_cannot_move_a_terminal() -> None:
    read = usage.read_result(recipe.find("claude-code").report, GARBAGE["escapes"])
    assert "\x1b" not in read.error
    assert "\u202e" not in read.error


def test_a_price_that_a_program_does_not_know_is_not_free() -> None:
    read = usage.read_result(recipe.find("vibe").report, b"", {"export.json": b'{"cost_usd": 0.0}'})
    assert read.cost_usd is None
    priced = usage.read_result(recipe.find("vibe").report, b"", {"export.json": b'{"cost_usd": 0.0072}'})
    assert priced.cost_usd == 0.0072


def test_the_list_of_agents_says_what_is_missing(runner: Any, tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "runner.toml").write_text(
        '[agent]\nname = "mine"\napi_url = "http://localhost:1/v1"\nmodel = "m"\n'
    )
    (tmp_path / "agents" / "mine.toml").write_text(SMALLEST)
    (tmp_path / "agents" / "broken.toml").write_text("title = 3\n")
    done = runner(tmp_path, "agents", "--json")
    assert done.returncode == 0, done.stderr
    found = {one["name"]: one for one in json.loads(done.stdout)}
    assert set(found) == {"sweep", "random", "same", "command:…", "mine", "broken", *NAMES}
    assert any("broken.toml: command is missing" in sentence for sentence in found["broken"]["missing"])
    assert (found["mine"]["api"], found["mine"]["keys"], found["mine"]["model"]) == (
        "http://localhost:1/v1",
        [],
        "m",
    )
    assert not any("key" in sentence for sentence in found["mine"]["missing"])
    assert found["codex"]["keys"] == ["OPENAI_API_KEY"]
