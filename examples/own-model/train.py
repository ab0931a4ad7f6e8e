from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def train(dataset, run):
    rows, labels = dataset.to_numpy()
    model = LogisticRegression(max_iter=500, random_state=run.seed)
    return make_pipeline(StandardScaler(), model).fit(rows, labels)
