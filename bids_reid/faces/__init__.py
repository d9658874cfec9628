"""Find a face, crop it, extract features: one file per extractor behind one small protocol."""
