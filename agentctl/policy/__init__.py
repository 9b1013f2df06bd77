"""Decisions: functions from values to a word.

Again, and after how long (``retry``)? Is the agent going in circles (``stuck``)? May this call be made
(``permissions``)? Which limit is reached, and what may the next request still cost (``budget``, over
``prompt``)? None of them touches the clock, chance or the disk: whoever asks passes those in, and
obeys the answer.
"""
