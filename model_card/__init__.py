"""Template of the model card, and the example that goes with an ONNX export."""
