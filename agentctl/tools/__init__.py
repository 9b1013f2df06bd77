"""The tools that a model is offered: their definitions, and whether a call of one may be made."""
