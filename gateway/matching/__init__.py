"""Whether two records are one person, where no exact rule says so: evidence weighed, guards, and doubt to a person.

``record`` holds what a record says; ``names``, ``dates`` and ``comparison`` say how two agree; ``model`` what that
weighs; ``guards`` what no score overrides; ``decision`` is the matcher; ``blocking`` finds whom to compare with;
``linkage`` matches whole files; ``training`` learns the weights. Nothing here reads, writes or knows the time.
"""
