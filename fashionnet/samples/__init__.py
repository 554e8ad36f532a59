"""Drawn garments: labelled photos of any number, made by the code itself."""
