"""The conversation with a model container: whatever comes back, an answer of the right size or a ModelFault."""

import random
import socket
import struct
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
from scoring_lab import PipeChannel
from scoring_peers import Bigram, model_host, served, table

from runner.scoring import protocol
from runner.scoring.client import ModelClient
from runner.scoring.protocol import Kind, ModelFault, frame
from runner.trial import Ending

VOCABULARY, WINDOW, ROWS = 20, 6, 2
TOKENS = np.arange(ROWS * (WINDOW + 1)).reshape(ROWS, WINDOW + 1) % VOCABULARY
CLAIMS_SIZE = 4 * ROWS * WINDOW
HEADER = protocol.HEADER


@contextmanager
def scripted(*answers, hold=False):
    """A client whose peer reads one request before each of `answers` (bytes) but the first, then hangs up."""
    here, there = socket.socketpair()

    def peer():
        try:
            for number, data in enumerate(answers):
                if number:
                    length = HEADER.unpack(there.recv(HEADER.size, socket.MSG_WAITALL))[-1]
                    there.recv(length, socket.MSG_WAITALL)
                there.sendall(data)
            if hold:
                there.recv(1)
        except (OSError, struct.error):
            pass
        finally:
            there.close()

    thread = threading.Thread(target=peer, daemon=True)
    thread.start()
    channel = PipeChannel(here.fileno(), here.fileno())
    try:
        yield ModelClient(channel, time.monotonic() + 1.0)
    finally:
        here.close()
        thread.join(5)


HELLO, READY = frame(Kind.HELLO, 0), frame(Kind.READY, 1)


def converse(client: ModelClient) -> np.ndarray:
    client.start(WINDOW, VOCABULARY, ROWS, 5)
    return client.claims(TOKENS)


def ending(*answers, hold=False) -> Ending:
    with scripted(*answers, hold=hold) as client, pytest.raises(ModelFault) as caught:
        converse(client)
    return caught.value.ending


def good(payload: bytes) -> bytes:
    return frame(Kind.ANSWER, 2, payload)


def test_a_good_answer_is_taken():
    claims = -np.arange(ROWS * WINDOW, dtype="<f4")
    with scripted(HELLO, READY, good(claims.tobytes())) as client:
        assert np.array_equal(converse(client), claims.reshape(ROWS, WINDOW))
        assert client.received == 3 * HEADER.size + CLAIMS_SIZE


MALFORMED = {
    "wrong magic": b"HTTP" + good(bytes(CLAIMS_SIZE))[4:],
    "wrong version": HEADER.pack(protocol.MAGIC, 9, Kind.ANSWER, 2, CLAIMS_SIZE) + bytes(CLAIMS_SIZE),
    "wrong kind": frame(Kind.READY, 2, bytes(CLAIMS_SIZE)),
    "unknown kind": HEADER.pack(protocol.MAGIC, 1, 777, 2, CLAIMS_SIZE) + bytes(CLAIMS_SIZE),
    "another request's number": frame(Kind.ANSWER, 1, bytes(CLAIMS_SIZE)),
    "too short": good(bytes(CLAIMS_SIZE - 4)),
    "too long": good(bytes(CLAIMS_SIZE + 4)),
    "a length of 2^64 - 1": HEADER.pack(protocol.MAGIC, 1, Kind.ANSWER, 2, 2**64 - 1),
    "an error too long": HEADER.pack(protocol.MAGIC, 1, Kind.ERROR, 2, 2**40),
    "an empty error": frame(Kind.ERROR, 2, b""),
    "an error of no kind": frame(Kind.ERROR, 2, b"\xff\xff"),
    "not a number": good(struct.pack("<f", float("nan")) * ROWS * WINDOW),
    "infinite": good(struct.pack("<f", float("-inf")) * ROWS * WINDOW),
}


@pytest.mark.parametrize("answer", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_answer_is_invalid(answer):
    assert ending(HELLO, READY, answer) is Ending.INVALID


@pytest.mark.parametrize(
    "answer", [frame(Kind.READY, 0), b"Traceback (most recent call last)", frame(Kind.HELLO, 1)]
)
def test_a_malformed_hello_is_invalid(answer):
    assert ending(answer) is Ending.INVALID


@pytest.mark.parametrize("cut", [0, 1, HEADER.size - 1, HEADER.size, HEADER.size + 5])
def test_an_answer_that_breaks_off_is_a_crash(cut):
    assert ending(HELLO, READY, good(bytes(CLAIMS_SIZE))[:cut]) is Ending.CRASH


@pytest.mark.parametrize("answers", [(), (HELLO,), (HELLO, READY)], ids=["no hello", "no ready", "no answer"])
def test_a_peer_that_goes_away_is_a_crash(answers):
    assert ending(*answers) is Ending.CRASH


@pytest.mark.parametrize("answers", [(b"",), (HELLO, b""), (HELLO, READY, b""), (HELLO, READY, good(b"")[:7])])
def test_a_peer_that_stays_silent_is_a_timeout(answers):
    began = time.monotonic()
    assert ending(*answers, hold=True) is Ending.TIMEOUT
    assert time.monotonic() - began < 3


def test_a_peer_that_never_reads_is_a_timeout():
    here, there = socket.socketpair()
    try:
        client = ModelClient(PipeChannel(here.fileno(), here.fileno()), time.monotonic() + 0.5)
        with pytest.raises(ModelFault) as caught:
            client.claims(np.zeros((2000, 1000), dtype=np.uint16))
        assert caught.value.ending is Ending.TIMEOUT
    finally:
        here.close()
        there.close()


def test_a_slow_drip_of_bytes_does_not_extend_the_deadline():
    here, there = socket.socketpair()
    stop = threading.Event()

    def drip():
        for byte in HELLO * 100:
            if stop.wait(0.1):
                return
            there.send(bytes([byte]))

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    try:
        began = time.monotonic()
        with pytest.raises(ModelFault) as caught:
            ModelClient(PipeChannel(here.fileno(), here.fileno()), began + 0.7).start(
                WINDOW, VOCABULARY, ROWS, 5
            )
        assert caught.value.ending is Ending.TIMEOUT
        assert time.monotonic() - began < 2
    finally:
        stop.set()
        thread.join()
        here.close()
        there.close()


def test_loading_has_a_limit_of_its_own():
    with scripted(HELLO, b"", hold=True) as client, pytest.raises(ModelFault, match="load_model took longer"):
        client.start(WINDOW, VOCABULARY, ROWS, 0.2)


def test_random_bytes_are_never_anything_but_a_fault():
    rng = random.Random(1)
    for _ in range(150):
        start = rng.choice([(), (HELLO,), (HELLO, READY)])
        garbage = bytearray(good(rng.randbytes(CLAIMS_SIZE)))
        for _ in range(rng.randrange(1, 6)):
            garbage[rng.randrange(HEADER.size)] ^= 1 << rng.randrange(8)
        if bytes(garbage[: HEADER.size]) == good(bytes(CLAIMS_SIZE))[: HEADER.size]:
            continue
        noise = rng.choice([rng.randbytes(rng.randrange(1, 200)), bytes(garbage)])
        assert ending(*start, noise) in (Ending.INVALID, Ending.CRASH)


def test_an_error_before_any_text_was_sent_is_told_in_one_printable_line():
    text = "ValueError: bad\x1b[31m weights\n\x00" + "é" * 90
    peer = scripted(HELLO, frame(Kind.ERROR, 1, b"\x01\x00" + text.encode()))
    with peer as client, pytest.raises(ModelFault) as caught:
        converse(client)
    assert caught.value.ending is Ending.INVALID
    assert "ValueError: bad [31m weights é" in caught.value.detail
    assert caught.value.detail.isprintable()


def test_an_error_after_text_was_sent_is_told_by_its_code_alone():
    peer = scripted(HELLO, READY, frame(Kind.ERROR, 2, b"\x03\x00the text was: once upon a time"))
    with peer as client, pytest.raises(ModelFault) as caught:
        converse(client)
    assert caught.value.ending is Ending.CRASH
    assert "once upon" not in caught.value.detail


def test_the_model_host_and_the_host_speak_the_same_protocol():
    there = model_host()
    assert (there.MAGIC, there.VERSION, there.MAX_ERROR) == (
        protocol.MAGIC,
        protocol.VERSION,
        protocol.MAX_ERROR,
    )
    for name in ("HEADER", "START", "SHAPE", "LOGITS_SHAPE", "SAMPLE_SHAPE"):
        assert getattr(there, name).format == getattr(protocol, name).format
    kinds = {"START": there.START_KIND, **{k: getattr(there, k) for k in Kind.__members__ if k != "START"}}
    assert kinds == {kind.name: kind.value for kind in Kind}
    codes = {
        name: getattr(there, "WRONG_SHAPE" if name == "SHAPE" else name) for name in protocol.Code.__members__
    }
    assert codes == {code.name: code.value for code in protocol.Code}


def test_the_model_host_answers_what_it_is_asked():
    model = Bigram(table(VOCABULARY))
    with served(lambda window, vocabulary, rows: model) as here:
        client = ModelClient(PipeChannel(here.fileno(), here.fileno()), time.monotonic() + 10)
        client.start(WINDOW, VOCABULARY, ROWS, 5)
        positions = np.array([[5, 0, 2], [1, 3, 4]])
        found = client.logits(TOKENS[:, :WINDOW], positions, VOCABULARY)
        assert np.array_equal(found, model.table[np.take_along_axis(TOKENS, positions, axis=1)])
        expected = model.normal[TOKENS[:, :-1], TOKENS[:, 1:]]
        assert np.array_equal(client.claims(TOKENS), expected.astype(np.float32))
        assert client.sample(TOKENS[0], 7, 0.8, 3).shape == (7,)
        client.bye()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"garbage" * 9,
        frame(Kind.LOGITS, 1),
        frame(Kind.START, 1, b"short"),
        HEADER.pack(b"ARMH", 1, 2, 1, 2**60),
    ],
    ids=["garbage", "too early", "short", "huge"],
)
def test_the_model_host_ends_on_a_request_that_it_does_not_understand(request_bytes):
    here, there = socket.socketpair()
    host = model_host()
    with here, there:
        here.sendall(request_bytes)
        here.shutdown(socket.SHUT_WR)
        port = host.Port(there.fileno(), there.fileno())
        assert host.serve(port, lambda window, vocabulary, rows: Bigram(table(VOCABULARY))) == 1
        there.shutdown(socket.SHUT_WR)
        answer = here.recv(4096)
    assert answer[: HEADER.size] == HELLO
    rest = answer[HEADER.size :]
    assert not rest or HEADER.unpack(rest[: HEADER.size])[2] == Kind.ERROR
