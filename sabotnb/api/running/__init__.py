"""From a stream to rows: compiling, submitting, pulling results, previews."""
