"""Two compared sessions, shown: a page for a person, an object for a script, Markdown for a pull request."""
