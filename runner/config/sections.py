"""The sections of `runner.toml`: the fields are the keys, their defaults the defaults, their comments the reference."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class DataSettings:
    # `tales`; `text:PATH` (a file or a folder of UTF-8 text, relative to the lab); `parquet:` and a folder of shards,
    # a file that lists their addresses or one address with a {000..999}; or a preset: `climbmix`, `tinystories`,
    # `folklore`. See docs/data.md
    source: str = "tales"
    vocab_size: int = 2048  # of the byte-level BPE tokenizer, at most 65,536 (tokens are uint16)
    window: int = 256  # tokens of a scored window; a model must take sequences up to this length
    seed: int = 1  # of the split into training, validation and holdout, and of the generator of tales
    column: str = ""  # of Parquet shards, that holds the text; empty: `text`
    shards: int = (
        0  # of those downloaded for training, besides the one held out; 0: all, or the preset's number
    )
    base_url: str = ""  # of another server that holds a preset's files; empty: the preset's
    downloads: str = ""  # folder for what is downloaded, relative to the lab; empty: in ~/.cache


@dataclass(frozen=True)
class TrialSettings:
    budget_seconds: float = 300.0  # wall-clock of one training, imports and compilation included
    device: str = "auto"  # `auto`, `cuda` or `cpu`
    gpu_access: str = (
        "auto"  # how a GPU gets into containers: `toolkit`, `cdi`, `nodes`; see docs/gpu.md, Passing
    )
    alone: str = "gpu"  # runs of this machine take turns on a `gpu`, `always` (on its CPU too), or `never`
    distrust: str = "rerun"  # `rerun` a training whose GPU was shared or throttled, or only `mark` it
    memory_mb: int = 0  # memory and swap together; 0: 4,096 on the CPU, 24,576 beside a GPU
    cpus: float = 0.0  # 0: all of the machine's
    pids: int = 512
    out_mb: int = 0  # what a trial may leave under /out, in memory; 0: 1,024 on the CPU, 8,192 beside a GPU
    out_files: int = 1000
    tmp_mb: int = 512  # /tmp, in memory
    shm_mb: int = 512  # /dev/shm
    log_kb: int = 1024  # what is kept of a trial's log: half its head, half its tail
    source_kb: int = 256  # the largest train.py that is accepted

    def takes_turns(self, *, gpu: bool) -> bool:
        """Whether what it does on its device waits for others there."""
        return self.alone == "always" or (self.alone == "gpu" and gpu)

    def memory(self, *, gpu: bool) -> int:
        """MiB of a payload. A GPU's libraries, its pinned memory and the processes that compile take gigabytes."""
        return self.memory_mb or (24_576 if gpu else 4096)

    def out(self, *, gpu: bool) -> int:
        """MiB of /out. A checkpoint's new file lies there beside the old one, and a GPU's models are larger."""
        return self.out_mb or (8192 if gpu else 1024)


@dataclass(frozen=True)
class ScoreSettings:
    tokens: int = 327_680  # validation tokens scored at most; see docs/scoring.md, "Cost"
    audit_positions: int = 512  # n; a cheat at a fraction f of positions escapes with probability (1 - f)^n
    timeout_seconds: float = 300.0  # for each model container
    load_seconds: float = (
        20.0  # of it, for load_model and the first three answers; bounds training after the budget
    )


@dataclass(frozen=True)
class RatchetSettings:
    rule: str = "confirm"  # `confirm`, `margin` or `greedy`; see docs/ratchet.md
    min_delta: float = 0.0  # bits per byte; a smaller gain is never kept
    calibrate_trials: int = 3  # trainings of the baseline from which the noise is first estimated
    max_reruns: int = 6  # a candidate is trained at most 1 + this many times
    alpha: float = 0.02  # confirm: bound on the chance that a proposal that changes nothing is kept
    design_sigmas: float = 2.0  # confirm: the true gain that it is planned to find, in sigmas
    futility: float = 0.25  # confirm: chance of giving up on a gain of that size, at each look but the last
    first_rank: float = (
        0.1  # confirm: share of the incumbent's scores, rounded up, that may be below a first score
    )
    incumbent_trials: int = 7  # confirm: with every rerun the incumbent is trained again too, up to this many
    rescore_trials: int = 2  # confirm, margin: a kept version is scored afresh by this many trainings
    refresh_every: int = 24  # confirm: proposals after which the incumbent is trained once more; 0: never
    margin_sigmas: float = 3.0  # margin: a gain beyond this many sigmas is kept
    prefer_simpler: bool = False  # keep a version that is not worse, if its code is shorter
    simpler_share: float = 0.05  # shorter by at least this share of the tokens of Python
    simpler_sigmas: float = 2.0  # worse by this many sigmas or more is worse
    simpler_margin: float = 0.0  # the same in bits per byte, and then instead of it; 0: in sigmas
    max_memory_mb: float = 0.0  # 0: no limit; a version that takes more is not kept
    max_vram_mb: float = 0.0
    max_score_seconds: float = 0.0  # likewise of its fastest scoring
    max_slowdown: float = 0.0  # and times the incumbent's fastest
    suspicious_share: float = 0.3  # a gain in one step above this share of the incumbent's score,
    suspicious_sigmas: float = 10.0  # and above so many sigmas, is set aside for a person to look at;
    jump_sigmas: float = 50.0  # so is one above so many sigmas alone, whatever its share,
    jump_after: int = 5  # once so many versions after the baseline were kept: early steps are large


@dataclass(frozen=True)
class AgentSettings:
    name: str = "sweep"  # `sweep`, `random`, `same`, a coding agent (`runner agents`), `command:PROGRAM …`
    timeout_seconds: float = 1800.0  # for one proposal of an outside program
    patience_minutes: float = 180.0  # of faults in a row with pauses between them, before the run ends
    ahead: int = 0  # 1: the next proposal is asked for while a trial trains
    pass_env: str = ""  # names of the environment variables that an outside program gets besides the usual
    model: str = ""  # of a coding agent; empty: its recipe's, see `runner agents`
    api_url: str = ""  # of another server that speaks its API, a local one too; empty: its recipe's
    key_env: str = ""  # name of the variable that holds the key; empty: its recipe's, and none with api_url
    on_host: bool = False  # a coding agent without its box, with the rights of the user; see docs/agents.md
    quiet_seconds: float = 300.0  # of a coding agent without output and without an answer of its API
    max_requests: int = 300  # to its API for one proposal; held by the gateway, like the next two. 0: no limit
    max_tokens: int = 3_000_000  # sent and received together for one proposal
    memory_mb: int = 4096  # of its container
    max_turns: int = 60  # of one proposal, where the program knows such a limit; 0: none
    max_proposal_cost: float = 0.0  # dollars of one proposal, likewise; 0: no limit
    price_in: float = 0.0  # dollars for a million tokens sent; 0: its recipe's, for its recipe's model
    price_out: float = 0.0  # and received
    price_cached: float = 0.0  # and sent again, where the API reads them from its cache; 0: as price_in


@dataclass(frozen=True)
class EngineSettings:
    url: str = ""  # unix://, tcp:// or ssh://; empty: DOCKER_HOST, else the engine's default socket
    seccomp: str = ""  # only for a Podman elsewhere: path there of a copy of images/seccomp.json
    patience_seconds: float = (
        30.0  # an engine that vanished is waited for so long, before each of two new tries
    )


@dataclass(frozen=True)
class ImageSettings:
    python: str = "3.11"  # of the trial image; what is installed in it stands in images/trial.txt
    base: str = ""  # empty: python:X.Y-slim-bookworm, or made from Debian's packages where none can be pulled
    index_url: str = ""  # one more package index for machines without a GPU: PyTorch's own, of CPU wheels


@dataclass(frozen=True)
class SampleSettings:
    # the same for every kept version, so that they can be read one after the other
    prompts: tuple[str, ...] = (
        "Once upon a time",
        "The old woman said to the king,",
        "In the forest there lived",
    )
    length: int = 160  # tokens of each text
    temperature: float = 0.8
    seed: int = 1


@dataclass(frozen=True)
class NotifySettings:
    # see docs/report.md, "Told without looking"
    command: tuple[str, ...] = ()  # a program with arguments, run without a shell; one text is split at spaces
    webhook: str = ""  # https:// or http://, gets a POST
    webhook_env: str = (
        ""  # or the name of the environment variable that holds the address: it often is a secret
    )
    format: str = "json"  # of what is sent: `json` (the whole payload), `slack` or `ntfy`
    events: tuple[str, ...] = ("improvement", "trouble", "end")
    pass_env: str = ""  # names of the environment variables that the command gets besides the usual


@dataclass(frozen=True)
class Settings:
    data: DataSettings = field(default_factory=DataSettings)
    trial: TrialSettings = field(default_factory=TrialSettings)
    score: ScoreSettings = field(default_factory=ScoreSettings)
    ratchet: RatchetSettings = field(default_factory=RatchetSettings)
    agent: AgentSettings = field(default_factory=AgentSettings)
    engine: EngineSettings = field(default_factory=EngineSettings)
    image: ImageSettings = field(default_factory=ImageSettings)
    sample: SampleSettings = field(default_factory=SampleSettings)
    notify: NotifySettings = field(default_factory=NotifySettings)
