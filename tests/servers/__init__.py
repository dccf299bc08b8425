"""Stories with real servers that Pointsman uses: one module for each kind, each starting its own."""
