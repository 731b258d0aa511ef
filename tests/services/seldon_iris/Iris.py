"""The published example's model, as Seldon wants a class: `load`, then `predict`.

It runs inside the original microservice, in an environment of its own, so it imports
nothing of ours.
"""


class Iris:
    """Three probabilities for four measures of a flower."""

    def load(self):
        from sklearn.datasets import load_iris
        from sklearn.linear_model import LogisticRegression

        flowers = load_iris()
        self._model = LogisticRegression(max_iter=1000).fit(flowers.data, flowers.target)

    def predict(self, X, names=None):  # noqa: N803  # Seldon calls it X
        return self._model.predict_proba(X)
