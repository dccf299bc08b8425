"""Asking somebody whether a request may go on: what is told of it, and what a yes changes (middlewares.md §3.11, §4)."""
