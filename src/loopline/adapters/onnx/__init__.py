"""Models in the Open Neural Network Exchange format, run by onnxruntime."""
