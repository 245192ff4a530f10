"""How streams, previews and jobs look in a notebook and in a terminal."""

from sabotnb.display.picturing import job_picture
from sabotnb.display.submitted import scenes

__all__ = ["job_picture", "scenes"]
