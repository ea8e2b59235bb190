"""The decoder. Shapes: l = tokens of this call, d = hidden, h = heads, g = key-value heads, e = head width, v = vocabulary."""
