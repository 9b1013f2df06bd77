"""The model: a request in, previews while it is typed, one whole message out."""
