"""Moving latents so that one property of the sound changes and the others stay: what steering by property rests on.

``moves.Moves`` holds the fitted numbers and does it; ``fit.fit_moves`` fits them on a labelled data set.
"""
