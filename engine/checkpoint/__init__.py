"""Reading model files: their headers, their tensor names and their number formats."""
