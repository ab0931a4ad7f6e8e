"""Models on another server that speaks the Open Inference Protocol, version 2, over HTTP."""
