"""What a person writes down: agents and environments, their files, and what is wrong with them.

``agent`` and ``environment`` hold the models, ``load`` turns a file into one of them or says what
is wrong with it and where, ``schema`` is what editors are told. Both files are bodies of the
Managed Agents API; every difference is named in ``docs/definitions.md``.
"""
