"""Request -> Prediction: route, predict, score in the shadow, and never trust a version that was not verified."""
