"""Which checks of the package could be removed without a test noticing? See __main__.py."""
