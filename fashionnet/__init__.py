"""FashionNet learns a person's clothing style from photos and recommends items from a catalogue."""
