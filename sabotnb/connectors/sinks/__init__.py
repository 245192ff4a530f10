"""File sinks: tasks write hidden files, and a committer renames them to their final names."""
