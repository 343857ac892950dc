"""A stored run in, text out: objectives, HTML, JUnit, Markdown, plots."""
