"""The teacher: a linear model over words, word pairs and parts of words; its probabilities for tweets.

With 47 thousand labelled tweets, n-gram counts generalize as well as a transformer trained from random
weights, and make different errors. The transformer learns from the teacher's probabilities as well as from
the labels (Hinton et al. 2015, "Distilling the Knowledge in a Neural Network").
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_union

FOLDS = 5


def ngram_counts() -> FeatureUnion:
    return make_union(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), min_df=5, sublinear_tf=True),
    )


def fitted(x: csr_matrix, labels: np.ndarray) -> LogisticRegression:
    # Balanced, because macro recall gives classes equal weight. saga shuffles the examples, so it is seeded.
    model = LogisticRegression(
        C=0.7, class_weight="balanced", solver="saga", max_iter=30, tol=2e-2, random_state=0
    )
    return model.fit(x, labels)


def opinions(texts: list[str], labels: np.ndarray, more_texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (len(texts), C) and (len(more_texts), C).

    A labelled text's probabilities come from a model that was fitted without that text (cross-fitting): a
    model fitted with it would repeat the label.
    """
    counts = ngram_counts()
    x = counts.fit_transform(texts)
    fold = np.random.default_rng(0).integers(0, FOLDS, len(texts))
    own = np.zeros((len(texts), labels.max() + 1), dtype=np.float32)
    for number in range(FOLDS):
        left_out = fold == number
        own[left_out] = fitted(x[~left_out], labels[~left_out]).predict_proba(x[left_out])
    more = fitted(x, labels).predict_proba(counts.transform(more_texts)).astype(np.float32)
    return own, more
