"""How streams, previews and jobs look in a notebook and in a terminal."""
