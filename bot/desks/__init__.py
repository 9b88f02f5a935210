"""What stands behind the pages of the console: a desk a page, and the values that console, index and store share."""
