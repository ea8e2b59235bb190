"""The decoder, written in ops.

Shapes: l = tokens of this call, d = hidden, h = query heads, g = key-value heads, e = head width, v = vocabulary.
"""
