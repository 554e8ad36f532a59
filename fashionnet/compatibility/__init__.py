"""What goes with what: products that complete a look, and outfits."""
