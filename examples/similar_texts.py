"""Prints pairs of texts, the most similar first.

    python examples/similar_texts.py "first text" "second text" "third text"

A text's vector is the mean of its tokens' last hidden states, scaled to length 1. The similarity of two texts
is the dot product of their vectors (cosine similarity). The bundled model was trained on sentiment, so texts
of equal sentiment are similar; for similar meaning, give --model a sentence encoder.
"""

from __future__ import annotations

import argparse

import numpy as np

from roberta_c import AutoModel, AutoTokenizer, bundled_model_path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("texts", nargs="+")
    parser.add_argument("--model", default=bundled_model_path(), help="folder or Hub repository")
    options = parser.parse_args()

    tokenizer = AutoTokenizer.from_pretrained(options.model)
    model = AutoModel.from_pretrained(options.model)
    encoded = tokenizer(options.texts, truncation=True, return_attention_mask=False)
    token_ids = encoded["input_ids"]  # lists of any lengths: no padding
    states = model(token_ids).last_hidden_state  # an array (tokens, hidden size) for each text
    vectors = np.stack([state.mean(axis=0) for state in states])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)

    similarity = vectors @ vectors.T
    first, second = np.triu_indices(len(options.texts), k=1)
    for pair in np.argsort(-similarity[first, second]):
        a, b = first[pair], second[pair]
        print(f"{similarity[a, b]:.3f}  {options.texts[a]}  |  {options.texts[b]}")


if __name__ == "__main__":
    main()
