"""The page and its HTTP interface: see FashionNet and steer it from a browser."""
