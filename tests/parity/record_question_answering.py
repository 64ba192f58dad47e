"""Records the answers of transformers 4.57's question answering pipeline, which transformers 5 has no more.

    python tests/parity/record_question_answering.py

Run by hand when the cases change (samples/question_answering.py). It makes the models here, and in build/ an
environment with transformers 4.57, in which this file runs a second time. Takes some minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
ENVIRONMENT = TESTS.parent / "build" / "transformers-4.57"
PACKAGES = ["transformers==4.57.6", "torch==2.13.0"]


def main() -> None:
    """Makes the models and cases, has them answered in the other environment, and writes the answers."""
    sys.path.insert(0, str(TESTS))
    from samples.question_answering import CASES, RECORDED, make_question_answering_model, questions

    data = Path(os.environ.get("ROBERTA_C_TEST_DATA", TESTS.parent.parent / "shared")).resolve()
    if not ENVIRONMENT.exists():
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
        subprocess.run([str(ENVIRONMENT / "bin/pip"), "install", "--quiet", *PACKAGES], check=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sentencepiece = folder / "pieces"
        sentencepiece.mkdir()
        (sentencepiece / "sentencepiece.bpe.model").symlink_to(
            data / "data/xlmr/sentencepiece.bpe.rebuilt.model"
        )
        (sentencepiece / "config.json").write_text('{"model_type": "xlm-roberta"}')
        tokenizers = {"roberta": data / "models/tweet-sentiment-small", "xlm-roberta": sentencepiece}
        for family, tokenizer in tokenizers.items():
            make_question_answering_model(folder / family, tokenizer, family)
        asked = [
            {
                "model": str(folder / case.family),
                "options": case.options,
                "rows": questions(data / f"data/xquad/xquad.{case.language}.json", case.step),
            }
            for case in CASES
        ]
        (folder / "asked.json").write_text(json.dumps(asked))
        command = [str(ENVIRONMENT / "bin/python"), __file__, str(folder / "asked.json")]
        subprocess.run([*command, str(folder / "answers.json")], check=True)
        answers = json.loads((folder / "answers.json").read_text())
    recorded = [{**case._asdict(), "answers": found} for case, found in zip(CASES, answers, strict=True)]
    lines = ",\n".join(json.dumps(one, separators=(",", ":")) for one in recorded)
    RECORDED.write_text(f"[\n{lines}\n]\n")


def answer(asked: Path, answers: Path) -> None:
    """In the other environment: the answers of each case, as [score, start, end]."""
    import transformers

    warnings.simplefilter("ignore")
    found = []
    for case in json.loads(asked.read_text()):
        pipe = transformers.pipeline("question-answering", model=case["model"], device="cpu")
        results = [pipe(**row, **case["options"]) for row in case["rows"]]
        found.append(
            [
                [
                    [round(one["score"], 7), one["start"], one["end"]]
                    for one in (r if isinstance(r, list) else [r])
                ]
                for r in results
            ]
        )
        print(case["options"], len(results), flush=True)
    answers.write_text(json.dumps(found))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        answer(Path(sys.argv[1]), Path(sys.argv[2]))
    else:
        main()
