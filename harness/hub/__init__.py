"""Published models in the hub's ordinary cache: what is there, and fetching what is not."""
