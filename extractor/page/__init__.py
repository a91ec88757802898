"""The local page: what the state knows, as one HTML page for a person, served on 127.0.0.1 or written to a file.

`contents` asks the state, `pictures` turns numbers into shapes, `trial` explains a pasted line, `render` makes HTML,
`server` serves it. Reads only; nothing here sends, and no script runs in the page.
"""
