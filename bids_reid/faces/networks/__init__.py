"""Networks from the files their authors wrote: reader, ONNX graph, an engine that is checked."""
