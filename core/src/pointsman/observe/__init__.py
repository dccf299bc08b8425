"""What logs, metrics and traces hear of requests. Put together per route while compiling; a route that none of them watches
has no observer, and its requests pay for none."""
