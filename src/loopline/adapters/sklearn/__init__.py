"""Models of scikit-learn, kept as skops files: no pickle, no code in the artefact."""
