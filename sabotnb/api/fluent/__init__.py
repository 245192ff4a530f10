"""The methods of ``Stream`` by group of verbs: each class has one group, and ``Stream`` is all of them in one."""
