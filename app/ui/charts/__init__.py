"""Charts. pyqtgraph is imported when the first one is made, never at the window's start."""
