"""How ``mini`` was made: render, train the codec, encode, train the flow. Run with ``make mini``."""
