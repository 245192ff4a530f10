"""Drawing of graphs, without domain words: layered layout, crossings, boxes and lines as text."""
