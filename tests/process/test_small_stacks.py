"""A model is loaded and called, and texts are tokenized, in a thread of little stack."""

from __future__ import annotations

import pytest
from samples.kernels import in_a_process
from samples.tiny_model import make_tiny_model
from samples.tokenizers import make_unigram_folder

# In the main thread all is imported and called once, as in a program whose later threads have little stack.
PROGRAM = """
import sys, threading
from roberta_c import RobertaModel, XLMRobertaTokenizerFast
from roberta_c.errors import ResourceError

model_folder, tokenizer_folder, size = sys.argv[1], sys.argv[2], int(sys.argv[3])

def load():
    return RobertaModel.from_pretrained(model_folder, num_threads=1, add_pooling_layer=False)

tokenizer, model, ids = XLMRobertaTokenizerFast.from_pretrained(tokenizer_folder), load(), [[3, 4, 5]] * 3

def show(name, call):
    try:
        call()
    except ResourceError as error:
        print(name, error)
    else:
        print(name, "works")

def run():
    show("texts", lambda: tokenizer([" a b" * 500] * 3))
    show("call", lambda: model(ids))
    show("load", load)

run()
try:
    threading.stack_size(size << 10)
except ValueError:
    sys.exit("this system's threads have more stack")
thread = threading.Thread(target=run)
thread.start()
thread.join()
"""


@pytest.mark.parametrize("size", [32, 64, 96, 128, 136, 192, 256])
def test_work_in_a_thread_of_little_stack_or_an_error(size, tmp_path):
    """musl's threads have 128 KiB; Python gives 32 at least."""
    make_tiny_model(tmp_path)
    tokenizer = make_unigram_folder(tmp_path / "tokenizer")
    done = in_a_process("-c", PROGRAM, str(tmp_path), str(tokenizer), str(size))
    if "have more stack" in done.stderr:
        pytest.skip(f"this system's threads have more than {size} KiB of stack")
    *first, texts, call, load = done.stdout.splitlines()
    assert first == ["texts works", "call works", "load works"], done.stderr[-2000:]
    assert texts == "texts works"
    for line in (call, load):
        refused = "stack of this thread: found " in line and line.endswith(
            " KiB left, expected 96: see threading.stack_size"
        )
        assert line.endswith(" works") or (refused and size <= 128), done.stdout
