"""Showing a session: the same drawing for one that runs and for one that is played from its record.

``story`` says what there is to tell, event by event; ``layout`` puts it into lines; a renderer
decides when which lines are written where. Text that is not ours goes through
``agentctl.visible`` on its way in, and again when lines are painted.
"""
