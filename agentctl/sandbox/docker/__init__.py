"""A sandbox as a Docker container: its images, how it is sealed, what is kept of it."""
