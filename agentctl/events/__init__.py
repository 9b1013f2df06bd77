"""The events of a session, with the names and JSON shapes of the Managed Agents API.

What the API has no event for is ours, under ``local.*``. An event is a frozen value; members that
this version does not know are kept in ``extra`` and written back unchanged, and an event of a type
that this version does not know is an ``UnknownEvent`` that keeps everything.
"""
